"""Music as loud as listeners expect: measured by ITU-R BS.1770, brought to a target, not clipped.

`normalised` does it to a whole piece, `Normaliser` to one that is sent while it is made.
"""

import math
from dataclasses import dataclass

import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy.signal import resample_poly, sosfilt

#: Sound, float32, shape `(samples, channels)`, full scale at 1.
Samples = NDArray[np.float32]

#: What streaming services play at, LUFS.
TARGET = -14.0

#: Below this BS.1770 hears nothing.
_SILENCE = -70.0
_HOP_SECONDS = 0.1
_HOPS = 4

#: How fast the gain of a stream follows, dB per second, and how far it may be from what the piece
#: so far asks for, dB.
_SLEW = 3.0
_CORRECTION = 6.0


class Meter:
    """Integrated loudness of a stream of one channel or two.

    pyloudnorm's own meter, which has the same filters, must hear everything at once.
    """

    def __init__(self, rate: int, channels: int) -> None:
        shelf = pyloudnorm.IIRfilter(4.0, 1 / math.sqrt(2), 1500.0, rate, "high_shelf")
        rumble = pyloudnorm.IIRfilter(0.0, 0.5, 38.0, rate, "high_pass")
        self._weighting = np.array([[*each.b, *each.a] for each in (shelf, rumble)])
        self._state = np.zeros((2, 2, channels))
        self._hop = round(rate * _HOP_SECONDS)
        self._rest = np.zeros((0, channels))
        self._energies: list[NDArray[np.float64]] = []

    def feed(self, samples: Samples) -> None:
        """Hears the next samples."""
        if not len(samples):
            return
        weighted, self._state = sosfilt(self._weighting, samples, axis=0, zi=self._state)
        heard = np.concatenate([self._rest, weighted])
        whole = len(heard) // self._hop * self._hop
        self._rest = heard[whole:]
        hops = heard[:whole].reshape(-1, self._hop * heard.shape[1])
        self._energies.append(np.einsum("ij,ij->i", hops, hops) / self._hop)

    @property
    def loudness(self) -> float:
        """What was heard so far, LUFS; minus infinity for silence and for less than 0.4 s."""
        energies = np.concatenate([np.zeros(0), *self._energies])
        if len(energies) < _HOPS:
            return -math.inf
        blocks = np.convolve(energies, np.full(_HOPS, 1 / _HOPS), "valid")
        audible = blocks[blocks > _energy(_SILENCE)]
        if not len(audible):
            return -math.inf
        return _lufs(float(audible[audible > audible.mean() / 10].mean()))


def loudness(samples: Samples, rate: int) -> float:
    """Integrated loudness in LUFS; minus infinity for silence.

    What is shorter than the 0.4 s of a block is measured as if it went on.
    """
    meter = Meter(rate, samples.shape[1])
    shortest = math.ceil(rate * _HOP_SECONDS) * _HOPS
    if 0 < len(samples) < shortest:
        samples = np.resize(samples, (shortest, samples.shape[1]))
    for part in _parts(samples, rate):
        meter.feed(part)
    return meter.loudness


def normalised(samples: Samples, rate: int, target: float = TARGET) -> Samples:
    """The same music at `target` LUFS, true peaks below -1 dBTP; silence stays as it is.

    Values that are no number are silenced.
    """
    samples = _finite(samples)
    gain = _gain(samples, rate, target, tries=4)
    if not math.isfinite(gain):
        return samples
    return limit(samples * np.float32(_factor(gain)), rate)


def _gain(samples: Samples, rate: int, target: float, tries: int) -> float:
    """In dB; infinite for silence. The limiter takes loudness away, which more gain gives back."""
    gain = target - loudness(samples, rate)
    for _ in range(tries if math.isfinite(gain) else 0):
        limited = limit(samples * np.float32(_factor(gain)), rate)
        missing = target - loudness(limited, rate)
        gain += missing
        if abs(missing) < 0.2:
            break
    return gain


def limit(samples: Samples, rate: int) -> Samples:
    """The same music with its true peaks below -1 dBTP."""
    limiter = Limiter(rate, samples.shape[1])
    limited = [limiter.feed(part) for part in _parts(samples, rate)]
    return np.concatenate([*limited, limiter.finish()])


@dataclass(frozen=True, slots=True)
class Ramp:
    """A gain that goes from one value to another in so many samples and stays there; in dB."""

    first: float
    last: float
    samples: int

    def applied(self, samples: Samples) -> Samples:
        """Louder or softer samples, from where the ramp begins."""
        decibels = np.full(len(samples), self.last)
        decibels[: self.samples] = np.linspace(self.first, self.last, self.samples, endpoint=False)
        factors = np.power(10.0, decibels / 20).astype(np.float32)
        return samples * factors[:, None]


class Normaliser:
    """Brings a stream to a loudness: `feed` it, send what it returns, end with `finish`.

    The first part fed sets the gain, so it should be some seconds long; what follows moves it
    slowly. `ramp` is the gain of what was fed last.
    """

    def __init__(self, rate: int, channels: int, target: float = TARGET) -> None:
        self._rate, self._target = rate, target
        self._heard, self._sent = Meter(rate, channels), Meter(rate, channels)
        self._limiter = Limiter(rate, channels)
        self._seconds = 0.0
        self._gain: float | None = None
        #: What the limiter took away at first, dB: about what it will.
        self._lost = 0.0
        self.ramp = Ramp(0.0, 0.0, 0)

    def feed(self, samples: Samples) -> Samples:
        """Returns what is ready, a few milliseconds less than was fed."""
        samples = _finite(samples)
        self._heard.feed(samples)
        wanted = self._wanted(samples)
        first = wanted if self._gain is None else self._gain
        most = _SLEW * len(samples) / self._rate
        self._gain = first + min(most, max(-most, wanted - first))
        steps = round(abs(self._gain - first) / _SLEW * self._rate)
        self.ramp = Ramp(first, self._gain, min(len(samples), steps))
        self._seconds += len(samples) / self._rate
        return self._hear(self._limiter.feed(self.ramp.applied(samples)))

    def finish(self) -> Samples:
        """The rest."""
        return self._hear(self._limiter.finish())

    def _hear(self, limited: Samples) -> Samples:
        self._sent.feed(limited)
        return limited

    def _wanted(self, samples: Samples) -> float:
        """The gain in dB that brings all that will have been sent to the target."""
        so_far = self._heard.loudness
        if not math.isfinite(so_far):
            return self._gain or 0.0
        usual = self._target - so_far + self._lost
        if self._gain is None:
            wanted = _gain(samples, self._rate, self._target, tries=2)
            self._lost = wanted - usual
            return wanted
        here = loudness(samples, self._rate)
        if not math.isfinite(here):
            return usual
        seconds = len(samples) / self._rate
        due = _energy(self._target) * (self._seconds + seconds)
        due -= _energy(self._sent.loudness) * self._seconds
        exact = _lufs(max(due / seconds, _energy(_SILENCE))) - here + self._lost
        return usual + min(_CORRECTION, max(-_CORRECTION, exact - usual))


class Limiter:
    """Keeps true peaks below -1 dBTP; it looks ahead and turns down before the peak comes."""

    #: Lower than promised, by what four times oversampling may miss.
    _CEILING = 10 ** (-1.4 / 20)
    #: dB per second at which it lets go.
    _RELEASE = 40.0
    #: Samples on either side that a value between two samples depends on.
    _CONTEXT = 12

    def __init__(self, rate: int, channels: int) -> None:
        self._block = max(2 * self._CONTEXT, round(rate * 0.003))
        self._recovery = self._RELEASE * self._block / rate
        # The block sent last, then what has not been sent.
        self._held = np.zeros((self._block, channels), np.float32)
        self._gain = 0.0

    def feed(self, samples: Samples) -> Samples:
        """Returns what is ready, up to three blocks of 3 ms less than was fed."""
        block = self._block
        held = np.concatenate([self._held, samples])
        ready = len(held) // block - 3
        if ready < 1:
            self._held = held
            return np.zeros((0, held.shape[1]), np.float32)
        gains = self._released(self._needed(held, ready + 1))
        self._gain = float(gains[ready])
        # At the border of two blocks the lower gain holds, and between borders a straight line:
        # nowhere is it above what the block needs.
        borders = np.power(10.0, np.minimum(gains[:-1], gains[1:]) / 20).astype(np.float32)
        along = np.linspace(0, 1, block, endpoint=False, dtype=np.float32)
        curve = borders[:-1, None] + np.diff(borders)[:, None] * along
        self._held = held[ready * block :].copy()
        out: Samples = held[block : (ready + 1) * block] * curve.reshape(-1, 1)
        return out

    def finish(self) -> Samples:
        """The rest."""
        waiting = len(self._held) - self._block
        padding = np.zeros((4 * self._block, self._held.shape[1]), np.float32)
        return self.feed(padding)[:waiting]

    def _needed(self, held: Samples, count: int) -> NDArray[np.float64]:
        """The gain in dB, 0 at most, for each of `count` blocks after the first."""
        block, margin = self._block, self._CONTEXT
        starts = np.arange(1, count + 1) * block
        peaks = np.abs(held[block : (count + 1) * block]).reshape(count, -1).max(axis=1)
        # Between samples the sound is rarely twice as high as at them.
        loud = np.flatnonzero(peaks > self._CEILING / 2)
        # A thousand blocks at a time: what lies between them needs four times their memory.
        for some in np.array_split(loud, math.ceil(len(loud) / 1000)) if len(loud) else ():
            around = np.arange(-margin, block + margin) + starts[some][:, None]
            between = resample_poly(held[around], 4, 1, axis=1)[:, 4 * margin : -4 * margin]
            peaks[some] = np.maximum(peaks[some], np.abs(between).max(axis=(1, 2)))
        gains = 20 * np.log10(self._CEILING / np.maximum(peaks, self._CEILING))
        return np.asarray(gains, np.float64)

    def _released(self, needed: NDArray[np.float64]) -> NDArray[np.float64]:
        """From the block before on: down at once, up no faster than `_RELEASE`."""
        gains = np.concatenate([[self._gain], needed])
        recovered = np.arange(len(gains)) * self._recovery
        released = np.minimum.accumulate(gains - recovered) + recovered
        return np.asarray(np.minimum(released, 0.0), np.float64)


def _parts(samples: Samples, rate: int) -> list[Samples]:
    """Ten seconds at a time, since filters need several times the memory of what they are fed."""
    return np.array_split(samples, range(10 * rate, len(samples), 10 * rate))


def _finite(samples: Samples) -> Samples:
    return np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).astype(np.float32, copy=False)


def _factor(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def _lufs(energy: float) -> float:
    return -0.691 + 10 * math.log10(energy)


def _energy(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))
