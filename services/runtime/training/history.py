"""How the loss went, as a table and as a picture."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class History:
    """Steps and losses, of what is trained on and of what is held out."""

    trained: tuple[tuple[int, float], ...]
    held_out: tuple[tuple[int, float], ...]

    @classmethod
    def read(cls, log: Iterable[Mapping[str, Any]]) -> "History":
        """From the log of transformers' Trainer. Of two entries for a step the later one holds."""
        trained: dict[int, float] = {}
        held_out: dict[int, float] = {}
        for entry in log:
            for key, losses in (("loss", trained), ("eval_loss", held_out)):
                if key in entry:
                    losses[int(entry["step"])] = float(entry[key])
        return cls(tuple(sorted(trained.items())), tuple(sorted(held_out.items())))

    def save(self, path: Path) -> None:
        """Writes a CSV with the columns step, part, loss."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["step", "part", "loss"])
            for part, losses in (("train", self.trained), ("held-out", self.held_out)):
                writer.writerows([step, part, f"{loss:.5f}"] for step, loss in losses)

    def plot(self, path: Path, title: str, unit: str) -> None:
        """Draws both curves into a PNG; `unit` is what the loss is measured in."""
        # Without pyplot, which would look for a screen.
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        if self.trained:
            axes.plot(*zip(*self.trained, strict=True), color="0.7", label="train")
        if self.held_out:
            axes.plot(*zip(*self.held_out, strict=True), "o-", color="C0", label="held out")
        axes.set(title=title, xlabel="step", ylabel=f"loss ({unit})")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(path, dpi=100)
