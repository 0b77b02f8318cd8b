"""Sounds for tests, and models that hear how loud they are."""

import numpy as np

from services.emotion.engine import SAMPLE_RATE, Clip, LabelScore, Samples
from services.runtime.worker import Cancellation

LABELS = ["quiet", "loud"]


def sound(seconds: float, level: float = 0.2) -> Samples:
    """A tone, or silence for a level of 0."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * 200 * times)).astype(np.float32)


def silence(seconds: float) -> Samples:
    """Nothing."""
    return sound(seconds, 0.0)


class Loudness:
    """Says `loud` with the peak of a clip as probability, and notes how long each clip was."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """See `EmotionModel`."""
        self.seconds.append(clip.seconds)
        peak = float(np.abs(clip.samples).max())
        both = [LabelScore("loud", peak), LabelScore("quiet", 1 - peak)]
        return sorted(both, key=lambda each: -each.score)

    def close(self) -> None:
        """Nothing to free."""
