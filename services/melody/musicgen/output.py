"""Finished sound as pieces of an answer."""

import math
from collections.abc import Iterator

import numpy as np

from services.melody.engine import Progress, Samples, Sound

#: Progress is told when it has grown by this.
_GROWTH = 0.01


class Steps:
    """Counts the steps of `total` and says when to tell how far they are."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._told = 0.0

    def step(self) -> Iterator[Progress]:
        """One more is done. Never says all: the sound is still to be made of what was written."""
        self._done += 1
        done = min(self._done / (self._total + 1), 1.0)
        if done - self._told >= _GROWTH:
            self._told = done
            yield Progress(done)


def sounding(samples: Samples, count: int, rate: int) -> Iterator[Sound]:
    """`count` samples of what a codec gave, shape `(samples, channels)`, a second at a time.

    What is louder than full scale is turned down whole, rather than clipped.
    """
    if not math.isfinite(peak := float(np.abs(samples).max(initial=0.0))):
        raise ArithmeticError("the codec gave samples that are no numbers")
    exact = np.zeros((count, samples.shape[1]), np.float32)
    exact[: len(samples)] = samples[:count] / max(peak, 1.0)
    for begin in range(0, count, rate):
        yield Sound(exact[begin : begin + rate])
