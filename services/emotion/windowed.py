"""What classifiers of raw samples have in common, wherever their network computes: windows, and
one answer of many.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Clip, LabelScore, Samples, ranked
from services.emotion.features import SHORTEST_SECONDS, SILENCE
from services.runtime.errors import Cancelled
from services.runtime.manifest import Manifest
from services.runtime.worker import Cancellation

#: A longer clip is classified in windows, and so many of them are computed together.
WINDOW_SECONDS, BATCH = 8.0, 8


class WindowedModel(ABC):
    """Classifies clips in windows. `labels` are in the order of the network's logits."""

    def __init__(self, labels: list[str], *, window_seconds: float, temperature: float) -> None:
        self.labels = labels
        self._window = round(window_seconds * SAMPLE_RATE)
        self._temperature = temperature

    @abstractmethod
    def network_logits(
        self, windows: Sequence[Samples], clip: Clip, cancelled: Cancellation
    ) -> NDArray[np.float32]:
        """What the network says of at most `BATCH` windows of a clip, shape `(windows, labels)`.
        Windows of one clip are equally long.
        """

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """See `EmotionModel`. Cancelling takes effect between two batches of windows."""
        logits = self.logits(clip, cancelled)
        if logits is None:
            return ranked(self.labels, np.full(len(self.labels), 1 / len(self.labels), "f4"))
        raised = np.exp((logits - logits.max()) / self._temperature)
        return ranked(self.labels, (raised / raised.sum()).astype(np.float32))

    def logits(self, clip: Clip, cancelled: Cancellation) -> NDArray[np.float32] | None:
        """The mean over the windows that sound, shape `(labels,)`; None where nothing sounds.

        Raises `Cancelled`.
        """
        windows = [each for each in cut(clip.samples, self._window) if _level(each) >= SILENCE]
        if not windows:
            return None
        answers = []
        for batch in _batches(windows):
            if cancelled.is_set:
                raise Cancelled("The request was cancelled.")
            answers.append(self.network_logits(batch, clip, cancelled))
        mean: NDArray[np.float32] = np.concatenate(answers).mean(axis=0)
        return mean


def cut(samples: Samples, window: int) -> list[Samples]:
    """A clip as windows of that many samples, spread evenly, overlapping as much as they must.

    One that is not longer is one window; silence follows where the network would hear too little.
    """
    if samples.size <= window:
        short = round(SHORTEST_SECONDS * SAMPLE_RATE) - samples.size
        return [np.pad(samples, (0, max(0, short)))]
    begins = np.linspace(0, samples.size - window, -(-samples.size // window)).round().astype(int)
    return [samples[begin : begin + window] for begin in begins]


def window_seconds(manifest: Manifest) -> float:
    """What a model hears at once. Raises `ValueError` for an option out of range."""
    return _option(manifest, "window_seconds", WINDOW_SECONDS, least=SHORTEST_SECONDS)


def temperature(manifest: Manifest) -> float:
    """What its logits are divided by. Raises `ValueError` for an option out of range."""
    return _option(manifest, "temperature", 1.0, least=0.01)


def _option(manifest: Manifest, name: str, default: float, *, least: float) -> float:
    value = manifest.options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise ValueError(f"{manifest.name}: options.{name} must be a number from {least:g} on")
    return float(value)


def _batches(windows: Sequence[Samples]) -> Iterator[Sequence[Samples]]:
    for begin in range(0, len(windows), BATCH):
        yield windows[begin : begin + BATCH]


def _level(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
