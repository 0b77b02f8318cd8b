"""How loud a recording is over time, for drawing it."""

from collections.abc import Callable
from math import floor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.runtime.audio import AudioLimits, blocks
from services.runtime.errors import OrfeonError

#: Peaks of a second.
PER_SECOND = 20
_RATE = 8_000
_NO_LIMIT = AudioLimits(max_seconds=7 * 24 * 3600)
#: What is quieter than this is drawn as quiet: noise does not become a mountain range.
_QUIET = 0.05


class Waveform:
    """The loudest sample, 0 to 1, of each twentieth of a second of sound at `rate` Hz.

    It may be drawn while another thread adds to it.
    """

    def __init__(self, rate: int) -> None:
        self._each = rate // PER_SECOND
        self._rest = np.zeros(0, np.float32)
        self._peaks: list[float] = []

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return len(self._peaks) / PER_SECOND

    def add(self, samples: NDArray[np.float32]) -> None:
        """Goes on with samples of shape `(samples,)`, full scale at 1."""
        samples = np.concatenate([self._rest, np.abs(samples)])
        whole = samples.size // self._each * self._each
        self._rest = samples[whole:]
        self._peaks += samples[:whole].reshape(-1, self._each).max(axis=1).tolist()

    def path(self, start: float, end: float, columns: int) -> str:
        """The stretch from `start` to `end`, seconds, as an SVG path in a box of `columns` by 100.

        The loudest of it reaches the edges; what is not known is a line in the middle.
        """
        loudest = max(_QUIET, max(self._peaks, default=0.0))
        each = (end - start) * PER_SECOND / columns
        heights = []
        for column in range(columns):
            first = floor(start * PER_SECOND + column * each)
            last = max(floor(start * PER_SECOND + (column + 1) * each), first + 1)
            among = self._peaks[max(first, 0) : max(last, 0)]
            heights.append(max(1.0, 50 * max(among, default=0.0) / loudest))
        upper = [f"{x} {50 - height:.0f}" for x, height in enumerate(heights)]
        lower = [f"{x} {50 + height:.0f}" for x, height in reversed(list(enumerate(heights)))]
        return f"M{'L'.join(upper + lower)}Z"


def drawable() -> Waveform:
    """A waveform for `follow`."""
    return Waveform(_RATE)


def follow(file: Path, waveform: Waveform, cancelled: Callable[[], bool]) -> None:
    """Reads a recording into a waveform of `drawable`, until it ends or `cancelled`.

    One that cannot be read stays without: whoever works on it says why.
    """
    try:
        with file.open("rb") as opened:
            for samples in blocks(opened, _RATE, _NO_LIMIT, cancelled):
                waveform.add(samples)
    except OrfeonError:
        return
