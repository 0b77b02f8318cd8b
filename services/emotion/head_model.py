"""A classifier of an encoder and a head."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from services.emotion.engine import Clip, LabelScore, ranked
from services.emotion.features import Encoder, windows
from services.emotion.head import Head
from services.runtime.errors import Cancelled
from services.runtime.residency.placement import Placement
from services.runtime.worker import Cancellation

#: What our models call the file of the part that is trained.
HEAD = "head.npz"


@runtime_checkable
class HeadEngine(Protocol):
    """An engine whose models are a head on an encoder."""

    def encoder(self, folder: Path, placement: Placement) -> Encoder:
        """The encoder alone: what training needs, before there is a head."""


class HeadModel:
    """Encoder and head. A long clip is classified in windows, weighted by how much they sound."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        self._encoder: Encoder | None = encoder
        self.head = head

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """See `EmotionModel`. Cancelling takes effect between two windows."""
        assert self._encoder is not None, "closed"
        count = len(self.head.labels)
        total, weights = np.zeros(count, np.float32), 0.0
        for window in windows(clip.samples):
            if cancelled.is_set:
                raise Cancelled("The request was cancelled.")
            scores = self.head.probabilities(self._encoder.features(window.samples))
            total += window.weight * scores
            weights += window.weight
        even = np.full(count, 1 / count, np.float32)
        return ranked(self.head.labels, total / weights if weights else even)

    def close(self) -> None:
        """See `LoadedModel`."""
        self._encoder = None
