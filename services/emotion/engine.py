"""What an emotion engine is: a clip, scored labels and the protocol between them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.runtime.context import NORMAL
from services.runtime.errors import InvalidAudio
from services.runtime.host import LoadedModel
from services.runtime.worker import Cancellation

#: Every engine takes clips at this rate, Hz.
SAMPLE_RATE = 16_000

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording to classify.

    `samples` is mono at `SAMPLE_RATE`, shape `(samples,)`, full scale at 1 and finite. Where the
    service listens for speech first, a clip is a stretch of it, some seconds long at most; an
    engine takes any length nevertheless, and any loudness. `priority` and `timeout` (seconds, None
    for no limit) are for engines that queue on another machine. Raises `InvalidAudio` for no
    samples.
    """

    samples: Samples
    priority: int = NORMAL
    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.samples.size == 0:
            raise InvalidAudio("The audio holds no samples. Record again.", param="file")

    @property
    def seconds(self) -> float:
        """Length."""
        return self.samples.size / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A label and how likely it is, 0 to 1."""

    label: str
    score: float


class EmotionModel(LoadedModel, Protocol):
    """A model in memory. Serves one clip at a time."""

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """Every label of the model, best first; the scores sum to 1.

        A clip in which nothing sounds gives every label the same score. Raises `Cancelled`.
        """


def ranked(labels: list[str], scores: NDArray[np.float32]) -> list[LabelScore]:
    """Labels with their scores, best first."""
    best_first = np.argsort(-scores, kind="stable")
    return [LabelScore(labels[at], float(scores[at])) for at in best_first]
