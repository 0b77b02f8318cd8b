"""The room that the band plays in."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, oaconvolve

from services.melody.engine import Samples

#: Seconds until the echo has gone down by 60 dB, and before it begins.
_DECAY, _DELAY = 0.9, 0.018
#: Energy of the echo against that of what is sent into the room.
_ENERGY = 0.2


class Room:
    """A reverb: what is sent in comes back from all sides. It is linear: parts add up."""

    def __init__(self, rate: int) -> None:
        times = np.arange(round(_DECAY * rate)) / rate
        # Walls send back many echoes that nothing relates, the low ones longer: noise, mellowed,
        # another for each ear. Its seed is fixed, since a room is the same every time.
        noise = np.random.default_rng(1).standard_normal((len(times), 2))
        dull = lfilter([0.3], [1, -0.7], noise, axis=0) * 10 ** (-3 * times[:, None] / _DECAY)
        echo = np.concatenate([np.zeros((round(_DELAY * rate), 2)), dull])
        self._echo: Samples = (echo * np.sqrt(_ENERGY / np.square(echo).sum(axis=0))).astype(
            np.float32
        )
        self._tail: Samples = np.zeros((len(echo) - 1, 2), np.float32)

    def feed(self, sent: NDArray[np.float32]) -> Samples:
        """The echo during the next samples, `(samples, 2)`, of what is sent, `(samples,)`."""
        heard = oaconvolve(sent[:, None], self._echo, axes=0)
        heard[: len(self._tail)] += self._tail
        self._tail = heard[len(sent) :].copy()
        now: Samples = heard[: len(sent)]
        return now
