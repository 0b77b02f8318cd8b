"""How a model is trained: the settings of one run, and the two recipes they start from."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from services.lyrics.training.errors import TrainingError

Method = Literal["full", "lora"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of one run. Lengths are in tokens.

    A step sees `batch * accumulation` passages. `rank` and `alpha` are LoRA's and mean nothing to
    a full fine-tune; what it learns is scaled by alpha / rank.
    """

    method: Method
    data: str
    """The table of songs."""
    base: str
    genre: str
    language: str
    steps: int
    learning_rate: float
    batch: int
    accumulation: int
    eval_every: int
    """Steps between two evaluations, each of which leaves a checkpoint."""
    length: int
    """Longest example: what the song is asked with, and a passage of it."""
    eval_passages: int = 256
    """Held-out passages that an evaluation reads, spread evenly; 0 reads all."""
    rank: int = 8
    alpha: int = 16
    prompt: str = ""
    """What the writer is told to be; empty takes that of the genre."""
    seed: int = 1
    bf16: bool = False
    """Whether products are computed in bfloat16, which needs hardware that has it."""

    def __post_init__(self) -> None:
        positive = (
            "steps", "learning_rate", "batch", "accumulation", "eval_every", "rank", "alpha"
        )  # fmt: skip
        for name in positive:
            if not 0 < getattr(self, name) < 1e9:
                raise TrainingError(f"{name.replace('_', '-')} must be more than 0.")
        if not 32 <= self.length <= 1 << 20:
            raise TrainingError("length must be at least 32 tokens.")
        if self.eval_passages < 0:
            raise TrainingError("eval-passages must be 0 (all) or more.")

    def save(self, path: Path) -> None:
        """Writes the recipe as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> "Recipe":
        """Reads what `save` wrote. Raises `TrainingError`."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(
                f"{path.parent} holds no training to resume; start one without --resume."
            ) from error


def full(data: str, base: str, genre: str, language: str) -> Recipe:
    """All weights, with the settings that rock, pop and rap were first trained with."""
    return Recipe(
        "full", data, base, genre, language,
        steps=1000, learning_rate=3e-5, batch=4, accumulation=4, eval_every=500, length=512,
    )  # fmt: skip


def lora(data: str, base: str, genre: str, language: str) -> Recipe:
    """An adapter of a few megabytes beside weights that stay as they are."""
    return Recipe(
        "lora", data, base, genre, language,
        steps=300, learning_rate=5e-4, batch=4, accumulation=1, eval_every=100, length=256,
    )  # fmt: skip
