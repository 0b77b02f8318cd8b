"""An emotion engine without weights: loudness decides. For tests and weightless clusters."""

from pathlib import Path

import numpy as np

from services.emotion.engine import Clip, EmotionModel, LabelScore, ranked
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation


class FakeEmotionEngine:
    """Loads at once, whatever the folder."""

    kinds = frozenset({CPU})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> EmotionModel:
        """A model that needs no files."""
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
