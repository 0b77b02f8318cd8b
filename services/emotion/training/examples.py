"""Clips as a network in training hears them: crops, other ones each time, and what befalls them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch.utils.data import Dataset

from services.emotion.corpora import Recording
from services.emotion.corpora.decoding import samples_of
from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.features import SHORTEST_SECONDS
from services.emotion.wav2vec2_engine import Listener

Augment = Callable[[Samples, Generator], Samples]

#: How much more than a crop is augmented, since speech that is played faster gets shorter.
_SPARE = 1.25


class Crops(Dataset):  # type: ignore[misc]
    """A crop of each clip, with the number of its label.

    With a seed it lies elsewhere in each epoch, and `augment` alters it; both are drawn by seed,
    epoch and clip alone, so that a training that goes on hears what it would have heard. Without,
    it is the middle.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        labels: Sequence[str],
        seconds: float,
        *,
        seed: int | None = None,
        augment: Augment | None = None,
    ) -> None:
        self._recordings = recordings
        self._labels = labels
        self._size = round(seconds * SAMPLE_RATE)
        self._seed = seed
        self._augment = augment
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._recordings)

    def __getitem__(self, at: int) -> tuple[Samples, int]:
        recording = self._recordings[at]
        samples = samples_of(recording.path)
        if self._seed is None:
            samples = _from(samples, self._size, (samples.size - self._size) // 2)
        else:
            samples = self._drawn(samples, np.random.default_rng([self._seed, self.epoch, at]))
        return samples, self._labels.index(recording.label)

    def _drawn(self, samples: Samples, random: Generator) -> Samples:
        if self._augment is not None:
            samples = _crop(samples, round(self._size * _SPARE), random)
            samples = self._augment(samples, random)
        return _crop(samples, self._size, random)


class Collator:
    """Puts crops side by side as the network reads them."""

    def __init__(self, listener: Listener, seconds: float) -> None:
        self._listener = listener
        # Where what fills up a batch is heard, it should not depend on who else is in the batch.
        shortest = SHORTEST_SECONDS if listener.masks else seconds
        self._least = round(shortest * SAMPLE_RATE)

    def __call__(self, crops: Sequence[tuple[Samples, int]]) -> dict[str, Any]:
        padded = [np.pad(samples, (0, max(0, self._least - samples.size))) for samples, _ in crops]
        return {**self._listener(padded), "labels": torch.tensor([label for _, label in crops])}


def _crop(samples: Samples, size: int, random: Generator) -> Samples:
    return _from(samples, size, int(random.integers(max(1, samples.size - size + 1))))


def _from(samples: Samples, size: int, begin: int) -> Samples:
    return samples[max(0, begin) : max(0, begin) + size]
