"""How a recording goes: segments, each with what its voice tells, from a listener's windows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import LabelScore, ranked
from services.emotion.listening import Window
from services.emotion.voice_activity import Began, Ended

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch, seconds, and what is heard in it, best first; nothing where nobody speaks."""

    start: float
    end: float
    labels: tuple[LabelScore, ...] = ()


class Mean:
    """The mean of scores, weighted by seconds."""

    def __init__(self, labels: list[str]) -> None:
        self._labels = labels
        self._sum = np.zeros(len(labels), np.float64)
        self._seconds = 0.0

    def add(self, scores: Floats, seconds: float) -> None:
        """Takes in scores, in the order of the labels."""
        self._sum += scores * seconds
        self._seconds += seconds

    @property
    def ranked(self) -> tuple[LabelScore, ...]:
        """Every label, best first; none where nothing was taken in."""
        if self._seconds == 0:
            return ()
        return tuple(ranked(self._labels, (self._sum / self._seconds).astype(np.float32)))


class Smoother:
    """Scores, smoothed over those before in one stretch of speech: an exponential mean.

    While windows grow, from where speech began, each holds the one before and takes its place.
    After that a window counts by how much later it ends than the one before, against `seconds`.
    The mean of probabilities stays calibrated, which that of a hidden Markov model over windows
    that overlap, and so say everything twice, would not.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: Window | None = None
        self._scores = np.zeros(0, np.float32)

    def reset(self) -> None:
        """Speech begins anew."""
        self._last = None

    def add(self, window: Window, scores: Floats) -> Floats:
        """The scores of the next window, smoothed."""
        if self._last is None or window.start == self._last.start:
            self._scores = scores
        else:
            weight = 1 - np.exp((self._last.end - window.end) / self._seconds)
            self._scores = np.asarray(self._scores + weight * (scores - self._scores), np.float32)
        self._last = window
        return self._scores


#: What scores of a recording and of a live stream are smoothed by, seconds.
RECORDED_SMOOTHING, LIVE_SMOOTHING = 1.0, 0.5


class Timeline:
    """Makes segments of what a listener hears; they follow one another without a gap.

    A window tells of its middle: the border of two is midway between their centres. Segments with
    the same best label are one.
    """

    def __init__(self, labels: list[str]) -> None:
        self._labels = labels
        self._smoother = Smoother(RECORDED_SMOOTHING)
        self.whole = Mean(labels)
        """All speech together."""
        self._at = 0.0
        self._pending: tuple[Window, Floats] | None = None
        self._open: _Open | None = None

    def began(self, event: Began) -> list[Segment]:
        """Speech begins: what came before is a segment without labels."""
        self._smoother.reset()
        return self._silence(event.at)

    def window(self, window: Window, scores: Floats) -> list[Segment]:
        """The next window and what was heard in it, in the order of the labels."""
        segments: list[Segment] = []
        smooth = self._smoother.add(window, scores)
        if self._pending is not None:
            before = self._pending[0]
            segments = self._settle((before.start + before.end + window.start + window.end) / 4)
        self._pending = (window, smooth)
        return segments

    def ended(self, event: Ended) -> list[Segment]:
        """Speech has ended."""
        segments = self._settle(event.at)
        self._pending = None
        return segments + self._close()

    def finish(self, seconds: float) -> list[Segment]:
        """The recording has ended, so many seconds long."""
        return self._silence(seconds)

    def _silence(self, until: float) -> list[Segment]:
        start, self._at = self._at, max(self._at, until)
        return [Segment(start, until)] if until > start else []

    def _settle(self, until: float) -> list[Segment]:
        """What is pending lasts until then."""
        if self._pending is None or until <= self._at:
            return []
        _, scores = self._pending
        best, segments = int(scores.argmax()), []
        if self._open is not None and self._open.best != best:
            segments = self._close()
        if self._open is None:
            self._open = _Open(self._at, best, Mean(self._labels))
        self._open.mean.add(scores, until - self._at)
        self.whole.add(scores, until - self._at)
        self._at = until
        return segments

    def _close(self) -> list[Segment]:
        if self._open is None:
            return []
        segment = Segment(self._open.start, self._at, self._open.mean.ranked)
        self._open = None
        return [segment]


@dataclass(frozen=True, slots=True)
class _Open:
    start: float
    best: int
    mean: Mean
