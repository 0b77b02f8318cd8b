"""An emotion engine without weights: loudness decides. For tests and weightless clusters."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.emotion.diarization import AudioModel
from services.emotion.engine import SAMPLE_RATE, Clip, LabelScore, Samples, ranked
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation


class FakeEmotionEngine:
    """Loads at once, whatever the folder."""

    kinds = frozenset({CPU})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> AudioModel:
        """A model that needs no files."""
        if "speaker-embedding" in manifest.tasks:
            return FakeSpeakerModel()
        return FakeEmotionModel(manifest.labels)


class FakeEmotionModel:
    """Gives 0.9 to one label: the last for a clip at full scale, the first for a silent one."""

    def __init__(self, labels: list[str]) -> None:
        self._labels = labels

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """See `EmotionModel`."""
        last = len(self._labels) - 1
        scores = np.full(len(self._labels), 0.1 / max(1, last), np.float32)
        scores[round(float(np.abs(clip.samples).max().clip(0, 1)) * last)] = 0.9
        return ranked(self._labels, scores)

    def close(self) -> None:
        """Nothing to free."""


class FakeSpeakerModel:
    """Tells voices apart by their pitch, in 16 bands of 50 Hz: how often samples change sign."""

    def embed(self, windows: Sequence[Samples], cancelled: Cancellation) -> NDArray[np.float32]:
        """See `SpeakerModel`."""
        vectors = np.zeros((len(windows), 16), np.float32)
        for vector, window in zip(vectors, windows, strict=True):
            apart = np.diff(np.flatnonzero(np.diff(np.signbit(window))))
            hertz = SAMPLE_RATE / 2 / float(np.median(apart)) if apart.size else 0.0
            vector[min(15, int(hertz / 50))] = 1
        return vectors

    def close(self) -> None:
        """Nothing to free."""
