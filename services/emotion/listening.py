"""The one way in which sound is listened to, live or recorded: what is said is cut into windows.

Samples -> ear -> gate -> overlapping windows of speech. Nothing is kept but the last few seconds.
"""

import bisect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.voice_activity import FRAME_SECONDS, Began, Ear, Ended, Gate, Scores

#: What is left of speech after its last window makes one more if it is as long as this, seconds.
_REST = 0.4
#: How far before the present speech may be found to have begun, seconds.
_BACK = (Gate.WINDOW + Gate.PAD + 1) * FRAME_SECONDS


@dataclass(frozen=True, slots=True)
class Windowing:
    """How long windows are, how much later each begins, and how much speech there is at least in
    the first, seconds. README.md tells how these were chosen.
    """

    seconds: float
    hop: float
    first: float


#: For recordings: each second is heard twice.
RECORDED = Windowing(seconds=3.0, hop=1.5, first=3.0)
#: For live streams, where a change should be heard soon.
LIVE = Windowing(seconds=2.0, hop=0.3, first=0.7)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of speech: samples of shape `(samples,)`, when, seconds, and what it was cut by."""

    samples: Samples
    start: float
    end: float
    windowing: Windowing


#: What is heard, in its order: speech begins, windows, speech ends.
Heard = Began | Window | Ended


class Listener:
    """Listens to one recording or stream from its beginning.

    Speech is cut by each of the `windowings`. Of the samples, the last `keep` seconds can still be
    cut by hand.
    """

    def __init__(self, ear: Ear, *windowings: Windowing, keep: float = 0.0) -> None:
        self._ear = ear
        self._gate = Gate()
        self._cutters = [_Cutter(windowing) for windowing in windowings]
        self._keep = max([keep, *(each.seconds + each.hop for each in windowings)])
        self.tape = Tape()
        """The last of what was heard."""
        self.speech: list[tuple[float, float]] = []
        """The stretches of speech that have ended, seconds."""

    @property
    def seconds(self) -> float:
        """How much was fed."""
        return self.tape.seconds

    @property
    def speech_seconds(self) -> float:
        """How much of it is speech that has ended."""
        return sum(end - start for start, end in self.speech)

    @property
    def settled(self) -> float:
        """Up to when it is known whether somebody speaks, seconds."""
        speaking = self._gate.began is not None
        return self._gate.spoken_until if speaking else max(0.0, self._gate.seconds - _BACK)

    def spoken(self, start: float, end: float) -> float:
        """How much of a stretch is speech, seconds, as far as is known."""
        stretches = self.speech[max(0, bisect.bisect(self.speech, (start, start)) - 1) :]
        if self._gate.began is not None:
            stretches = [*stretches, (self._gate.began, self._gate.spoken_until)]
        within = itertools.takewhile(lambda each: each[0] < end, stretches)
        return sum(max(0.0, min(end, until) - max(start, since)) for since, until in within)

    def feed(self, samples: Samples) -> list[Heard]:
        """Takes in the next samples, of any number."""
        self._forget()
        self.tape.add(samples)
        return self._listen(self._ear.feed(samples))

    def finish(self) -> list[Heard]:
        """The end of what is heard."""
        heard = self._listen(self._ear.finish())
        began = self._gate.began
        if (end := self._gate.finish()) is not None and began is not None:
            heard += self._ending(began, end)
        return heard

    def _listen(self, scores: Scores) -> list[Heard]:
        heard: list[Heard] = []
        for score in scores:
            began = self._gate.began
            event = self._gate.feed(float(score))
            if isinstance(event, Began):
                for cutter in self._cutters:
                    cutter.begin(event.at)
                heard.append(event)
            elif event is not None and began is not None:
                heard += self._ending(began, event)
            if self._gate.began is not None:
                for cutter in self._cutters:
                    heard += cutter.until(self._gate.spoken_until, self.tape)
        return heard

    def _forget(self) -> None:
        """Lets go of what nobody looks back to. What has just come is there until more comes."""
        needed = [self.settled]
        if self._gate.began is not None:
            needed += [cutter.next for cutter in self._cutters]
        self.tape.forget(min(needed) - self._keep)

    def _ending(self, began: float, end: Ended) -> list[Heard]:
        # The last frame is filled up with silence.
        at = min(end.at, self.seconds)
        self.speech.append((began, at))
        heard: list[Heard] = []
        for cutter in self._cutters:
            heard += cutter.end(at, self.tape)
        return [*heard, Ended(at)]


class _Cutter:
    """Cuts stretches of speech into the windows of one windowing."""

    def __init__(self, windowing: Windowing) -> None:
        self._windowing = windowing
        self._began = self._told = 0.0
        self.next = 0.0
        """When the next window ends, seconds."""

    def begin(self, at: float) -> None:
        self._began = self._told = at
        self.next = at + self._windowing.first

    def until(self, spoken: float, tape: "Tape") -> Iterator[Window]:
        while self.next <= spoken:
            yield self._window(self.next, tape)
            self.next += self._windowing.hop

    def end(self, at: float, tape: "Tape") -> Iterator[Window]:
        if at - self._told >= _REST or self._told == self._began:
            yield self._window(at, tape)

    def _window(self, end: float, tape: "Tape") -> Window:
        start = max(self._began, end - self._windowing.seconds)
        self._told = end
        return Window(tape.cut(start, end), start, end, self._windowing)


class Tape:
    """The last samples of a stream, found by their time."""

    def __init__(self) -> None:
        self._parts: list[Samples] = []
        self._start = self._end = 0

    @property
    def seconds(self) -> float:
        """How much was recorded, forgotten or not."""
        return self._end / SAMPLE_RATE

    def add(self, samples: Samples) -> None:
        """Records the next samples."""
        self._parts.append(samples)
        self._end += samples.size

    def cut(self, start: float, end: float) -> Samples:
        """What was recorded between two times in seconds, shape `(samples,)`; a copy."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        assert first >= self._start, "it has been forgotten"
        return self._parts[0][first - self._start : last - self._start].copy()

    def forget(self, before: float) -> None:
        """Lets go of what lies wholly before a time in seconds."""
        first = int(before * SAMPLE_RATE)
        while self._parts and self._start + self._parts[0].size <= first:
            self._start += self._parts.pop(0).size
        if self._parts and self._start + SAMPLE_RATE < first:  # Not a copy at every call.
            self._parts[0] = self._parts[0][first - self._start :].copy()
            self._start = first
