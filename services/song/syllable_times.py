"""Where the vowels of a spoken line are: exactly as many as it shall have syllables."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Milliseconds between the frames that voices are looked at in.
FRAME_MS = 5.0

#: Where vowels are loud and most consonants are not, Hz.
_BAND = (250.0, 3000.0)
#: What is so many decibels below the loudest vowel is silence.
_RANGE_DB = 45.0
#: Frames over which loudness is averaged, so that single pulses of the voice are not seen.
_SMOOTH = 7
#: The search takes every second frame: 10 ms are enough to find a vowel.
_HOP = 2
#: Syllables are at least so many steps of the search apart: 70 ms.
_CLOSEST = 7
#: What it costs that two syllables lie e times as far apart as the average ones, or an e-th.
_RHYTHM = 0.12
#: A vowel ends where sonority has fallen by this share of the way to the valley beside it.
_FALL = 0.3
#: A vowel is at least so many frames long, if its neighbours leave them: 40 ms.
_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Vowel:
    """A syllable's vowel, frames `[start, end)`, and the frame at which its syllable begins."""

    syllable: int
    start: int
    end: int


def sonority(envelope: Floats, voiced: Flags, rate: int) -> Floats:
    """How much each frame sounds like a vowel, 0 to 1, from its power spectrum.

    `envelope` has the shape `(frames, bins)`, bins from 0 to half of `rate`.
    """
    bins = np.linspace(0.0, rate / 2, envelope.shape[1])
    band = envelope[:, (bins >= _BAND[0]) & (bins <= _BAND[1])].mean(axis=1)
    kernel = np.hanning(_SMOOTH + 2)[1:-1]
    band = np.convolve(band, kernel / kernel.sum(), mode="same")
    decibels = 10.0 * np.log10(np.maximum(band, 1e-16))
    loud = np.clip((decibels - decibels.max(initial=-160.0)) / _RANGE_DB + 1.0, 0.0, 1.0)
    voicing = np.convolve(voiced.astype(np.float64), kernel / kernel.sum(), mode="same")
    return np.asarray(loud * (0.4 + 0.6 * voicing))


def vowels(sonorous: Floats, count: int) -> list[Vowel]:
    """The vowels of a line of `count` syllables, at least one, in order.

    Where sonority does not tell them apart they are spread evenly. None where nothing is sonorous,
    or the line is too short for so many.
    """
    heard = np.flatnonzero(sonorous > 0.2)
    if heard.size == 0:
        return []
    first, last = int(heard[0]), int(heard[-1]) + 1
    if last - first < count * 2:
        return []
    peaks = [first + _HOP * at for at in _peaks(sonorous[first:last:_HOP], count)]
    if not peaks:
        peaks = [int(at) for at in first + (np.arange(count) + 0.5) * (last - first) / count]
    return _extents(sonorous, peaks, first, last)


def _peaks(steps: Floats, count: int) -> list[int]:
    """The `count` steps whose sonority, and whose fall between them, is greatest in sum.

    Dynamic programming over the last peak; distances far from the average cost. None if they
    do not fit.
    """
    size = len(steps)
    if size < count * _CLOSEST:
        return []
    average = size / count
    farthest = min(size - 1, int(4 * average) + _CLOSEST)
    links = _links(steps, average, farthest)
    # The first and the last vowel lie half a syllable from the ends, on average.
    edge = _RHYTHM * np.log((np.arange(size) + 1.0) / (average / 2 + 1.0)) ** 2
    best = steps - edge
    came: list[NDArray[np.intp]] = []
    for _ in range(count - 1):
        # candidates[d, t]: the best line whose last two peaks are t and `d + _CLOSEST` before it.
        candidates = np.full((len(links), size), -np.inf)
        for row, link in enumerate(links):
            distance = row + _CLOSEST
            candidates[row, distance:] = best[:-distance] + link[distance:]
        choice = candidates.argmax(axis=0)
        best = candidates[choice, np.arange(size)] + steps
        came.append(choice + _CLOSEST)
    at = int((best - edge[::-1]).argmax())
    if not np.isfinite(best[at]):
        return []
    peaks = [at]
    for distances in reversed(came):
        peaks.append(peaks[-1] - int(distances[peaks[-1]]))
    return peaks[::-1]


def _links(steps: Floats, average: float, farthest: int) -> Floats:
    """What two neighbouring peaks earn: shape (distances from `_CLOSEST`, later peak)."""
    size = len(steps)
    links = np.zeros((max(1, farthest - _CLOSEST + 1), size))
    valley = steps.copy()
    for distance in range(1, farthest + 1):
        valley[distance:] = np.minimum(valley[distance:], steps[: size - distance])
        if distance >= _CLOSEST:
            rhythm = _RHYTHM * np.log(distance / average) ** 2
            depth = (steps[distance:] + steps[: size - distance]) / 2 - valley[distance:]
            links[distance - _CLOSEST, distance:] = depth - rhythm
    return links


def _extents(sonorous: Floats, peaks: list[int], first: int, last: int) -> list[Vowel]:
    valleys = [first]
    for one, other in itertools.pairwise(peaks):
        valleys.append(one + 1 + int(sonorous[one + 1 : other].argmin()))
    valleys.append(last)
    found = []
    for peak, (left, right) in zip(peaks, itertools.pairwise(valleys), strict=True):
        start = _falls(sonorous[left : peak + 1][::-1])
        end = _falls(sonorous[peak:right])
        short = max(0, _SHORTEST - start - end + 1)
        begin = max(left, peak - start - short // 2)
        found.append(Vowel(left, begin, min(right, peak + end + short - short // 2)))
    return found


def _falls(side: Floats) -> int:
    """How many frames from the peak on, away from it, still belong to the vowel."""
    if len(side) == 0:
        return 0
    level = side[0] - _FALL * max(0.12, side[0] - side.min())
    below = np.flatnonzero(side < level)
    return int(below[0]) if below.size else len(side)
