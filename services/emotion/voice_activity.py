"""Whether somebody speaks, frame by frame, and from when to when.

An `Ear` scores frames; a `Gate` makes stretches of speech of the scores.
"""

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.features import SILENCE

#: Samples of a frame: what Silero VAD reads at once.
FRAME = 512
FRAME_SECONDS = FRAME / SAMPLE_RATE

Scores = NDArray[np.float32]


class Ear(Protocol):
    """Listens to one stream, from its beginning to its end."""

    def feed(self, samples: Samples) -> Scores:
        """How much each further frame is what is listened for, 0 to 1, shape `(frames,)`.

        `samples` has shape `(samples,)`, of any length; what is no whole frame waits for more.
        """

    def finish(self) -> Scores:
        """The rest, filled up with silence. Nothing may be fed afterwards."""


class LoudnessEar:
    """Hears whatever sounds: for models that are not for speech, and where there are no weights.

    A frame counts for the next ones too, so that a bang is not too short to be heard.
    """

    #: Frames for which one that sounds counts.
    _HELD = 8

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._before = np.zeros(self._HELD - 1, np.bool_)

    def feed(self, samples: Samples) -> Scores:
        """See `Ear`."""
        ready, self._rest = framed(self._rest, samples, FRAME)
        if ready.size == 0:
            return np.zeros(0, np.float32)
        level = np.sqrt(np.mean(np.square(ready.reshape(-1, FRAME), dtype=np.float64), axis=1))
        sounds = np.concatenate([self._before, level >= SILENCE])
        self._before = sounds[-self._before.size :]
        held = np.lib.stride_tricks.sliding_window_view(sounds, self._HELD)[: level.size]
        return np.asarray(held.any(axis=1), np.float32)

    def finish(self) -> Scores:
        """See `Ear`."""
        return self.feed(np.zeros(-self._rest.size % FRAME, np.float32))


def framed(rest: Samples, samples: Samples, size: int) -> tuple[Samples, Samples]:
    """What was left and what has come: the whole frames of it, and what is left now."""
    joined = np.concatenate([rest, samples])
    whole = joined.size - joined.size % size
    return joined[:whole], joined[whole:]


@dataclass(frozen=True, slots=True)
class Began:
    """Speech began, seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """Speech ended, seconds."""

    at: float


class Gate:
    """Speech from scores, with hysteresis.

    It begins when the mean score over `WINDOW` frames reaches `OPEN`, at the first frame of these
    that scores `ACTIVE`, and has ended once the mean has stayed under `CLOSE` for `HANG` frames, at
    the last frame that scored `ACTIVE`. `PAD` frames are kept on either side. The mean over
    0.4 s is why single syllables, which a bark or a clarinet may resemble, are not speech yet.
    """

    WINDOW = 12
    OPEN, CLOSE, ACTIVE = 0.5, 0.3, 0.3
    HANG = 12
    PAD = 3

    def __init__(self) -> None:
        self._last = deque([0.0] * self.WINDOW, self.WINDOW)
        self._at = 0
        self._began: int | None = None
        self._ended = 0
        self._active = 0
        self._low = 0

    @property
    def seconds(self) -> float:
        """How much has been listened to."""
        return self._at * FRAME_SECONDS

    @property
    def began(self) -> float | None:
        """When the speech began that goes on, if any does."""
        return None if self._began is None else self._began * FRAME_SECONDS

    @property
    def spoken_until(self) -> float:
        """Up to when speech that goes on is certain."""
        return self._active * FRAME_SECONDS

    def feed(self, score: float) -> Began | Ended | None:
        """Takes in the next frame."""
        self._last.append(score)
        self._at += 1
        if score >= self.ACTIVE:
            self._active = self._at
        mean = sum(self._last) / self.WINDOW
        if self._began is None:
            return self._begin() if mean >= self.OPEN else None
        self._low = self._low + 1 if mean < self.CLOSE else 0
        return self.finish() if self._low >= self.HANG else None

    def finish(self) -> Ended | None:
        """Ends what goes on."""
        if self._began is None:
            return None
        self._began = None
        self._ended = min(self._active + self.PAD, self._at)
        return Ended(self._ended * FRAME_SECONDS)

    def _begin(self) -> Began:
        active = (at for at, score in enumerate(self._last) if score >= self.ACTIVE)
        first = self._at - self.WINDOW + next(active)
        self._began = max(self._ended, first - self.PAD, 0)
        self._low = 0
        return Began(self._began * FRAME_SECONDS)
