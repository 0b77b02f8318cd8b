"""One training: steps, checkpoints from which it goes on, and the losses on the way."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.melody.training.examples import Examples
from services.melody.training.network import Network, Shape, loss

CHECKPOINT, HISTORY = "checkpoint.pt", "history.json"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: `batch` sequences a step, a rate that rises, then falls to a tenth."""

    steps: int = 4000
    batch: int = 8
    rate: float = 1.2e-3
    warmup: int = 100
    every: int = 200
    seed: int = 0


class Run:
    """A training in `folder`; goes on from the checkpoint that is there."""

    def __init__(self, shape: Shape, recipe: Recipe, folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        torch.manual_seed(recipe.seed)
        self.network = Network(shape)
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=0.05
        )
        self.step = 0
        self.history: list[dict[str, float]] = []
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CHECKPOINT).exists():
            saved = torch.load(folder / CHECKPOINT, weights_only=True)
            self.network.load_state_dict(saved["network"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.step, self.history = saved["step"], saved["history"]

    def rate(self) -> float:
        """The learning rate of this step."""
        recipe = self.recipe
        left = (recipe.steps - self.step) / max(1, recipe.steps - recipe.warmup)
        return recipe.rate * min((self.step + 1) / recipe.warmup, 0.05 + 0.95 * max(0.0, left))

    def train(
        self, examples: Examples, held_out: Examples, report: Callable[[dict[str, float]], None]
    ) -> None:
        """Trains to the last step, and reports the losses at every checkpoint."""
        rows = torch.from_numpy(held_out.drawn(32, np.random.default_rng(1)))
        losses: list[float] = []
        while self.step < self.recipe.steps:
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate()
            # By the step, so that a resumed training sees what an unbroken one would.
            rng = np.random.default_rng([self.recipe.seed, self.step])
            batch = torch.from_numpy(examples.drawn(self.recipe.batch, rng))
            self.network.train()
            self.optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16):
                value = loss(self.network, batch)
            value.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimiser.step()
            losses.append(float(value.detach()))
            self.step += 1
            if self.step % self.recipe.every == 0 or self.step == self.recipe.steps:
                self.history.append(
                    {"step": self.step, "train": float(np.mean(losses)), "held_out": self._of(rows)}
                )
                losses = []
                self._save()
                report(self.history[-1])

    def _of(self, rows: torch.Tensor) -> float:
        self.network.eval()
        with torch.inference_mode():
            return float(loss(self.network, rows))

    def _save(self) -> None:
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "shape": asdict(self.network.shape),
            "step": self.step,
            "history": self.history,
        }
        # Never half a file, whenever the process ends.
        torch.save(state, self.folder / "checkpoint.new")
        (self.folder / "checkpoint.new").replace(self.folder / CHECKPOINT)
        (self.folder / HISTORY).write_text(json.dumps(self.history, indent=1))


def trained(folder: Path) -> Network:
    """The network of the checkpoint in `folder`, ready to be read."""
    saved = torch.load(folder / CHECKPOINT, weights_only=True)
    network = Network(Shape(**saved["shape"]))
    network.load_state_dict(saved["network"])
    network.eval()
    return network
