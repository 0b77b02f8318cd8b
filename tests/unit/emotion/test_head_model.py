import numpy as np
import pytest
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Clip, Samples
from services.emotion.head import Head
from services.emotion.head_model import HeadModel
from services.runtime.errors import Cancelled
from services.runtime.worker import Cancellation


class Seconds:
    """An encoder that tells how long its window is."""

    reads = "seconds"

    def __init__(self) -> None:
        self.heard: list[float] = []

    def features(self, window: Samples) -> NDArray[np.float32]:
        self.heard.append(window.size / SAMPLE_RATE)
        return np.array([self.heard[-1]], np.float32)


def long_or_short(encoder: Seconds) -> HeadModel:
    """Says long from four seconds on."""
    weight = np.array([[50], [-50]], np.float32)
    mean, scale = np.array([4], np.float32), np.ones(1, np.float32)
    return HeadModel(encoder, Head(["long", "short"], mean, scale, weight, np.zeros(2, np.float32)))


def noise(seconds: float) -> Samples:
    random = np.random.default_rng(0)
    return random.normal(scale=0.1, size=round(seconds * SAMPLE_RATE)).astype(np.float32)


def test_windows_of_a_long_clip_count_by_how_much_of_them_sounds() -> None:
    encoder = Seconds()
    clip = Clip(np.concatenate([noise(8), np.zeros(6 * SAMPLE_RATE, np.float32), noise(2)]))
    scores = long_or_short(encoder).classify(clip, Cancellation())
    assert encoder.heard == pytest.approx([8, 2], abs=0.2)
    assert scores[0].label == "long"
    assert scores[0].score == pytest.approx(0.8, abs=0.02)


def test_where_nothing_sounds_no_label_is_likelier() -> None:
    encoder = Seconds()
    silence = Clip(np.zeros(SAMPLE_RATE, np.float32))
    scores = long_or_short(encoder).classify(silence, Cancellation())
    assert [each.score for each in scores] == [0.5, 0.5]
    assert encoder.heard == []


def test_who_leaves_is_not_worked_for() -> None:
    encoder, cancelled = Seconds(), Cancellation()
    cancelled.set()
    with pytest.raises(Cancelled):
        long_or_short(encoder).classify(Clip(noise(1)), cancelled)
    assert encoder.heard == []
