"""What a recording tells, stretch by stretch: as a whole, as a timeline or in spans."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.emotion.diarization import SPEAKER
from services.emotion.engine import Clip, EmotionModel, LabelScore, Samples
from services.emotion.features import WINDOW_SECONDS
from services.emotion.listening import RECORDED, Heard, Listener, Window, Windowing
from services.emotion.recording import Watch
from services.emotion.timeline import Mean, Segment, Timeline
from services.emotion.voice_activity import Began, Ear, Ended
from services.runtime.context import RequestContext
from services.runtime.errors import ModelLoadFailed
from services.runtime.worker import Cancellation

Floats = NDArray[np.float32]

#: Scores of samples, in the order of the labels.
Classify = Callable[[Samples], Floats]


@dataclass(frozen=True, slots=True)
class Scored:
    """What was heard in a window: seconds, and scores in the order of the labels."""

    start: float
    end: float
    scores: Floats


class Teller(Protocol):
    """Makes an answer of what a listener hears."""

    windowings: tuple[Windowing, ...]
    keep: float
    """How much of the past it looks back to, seconds."""
    scored: list[Scored]

    @property
    def whole(self) -> tuple[LabelScore, ...]:
        """The labels of the whole recording; none where nobody speaks."""

    def tell(
        self, listener: Listener, heard: Sequence[Heard], classify: Classify, *, last: bool
    ) -> list[Segment]:
        """The segments that are known by now. `heard` is what the last stretch gave."""


class Hearing:
    """Listens to a recording and has a teller make the answer."""

    def __init__(
        self, ear: Ear, labels: list[str], teller: Teller, context: RequestContext, *, voices: bool
    ) -> None:
        more = (SPEAKER,) if voices else ()
        self.teller = teller
        self.watch = Watch()
        self.voices: list[Window] = []
        """Windows for a speaker encoder, which whoever takes them removes."""
        self.listener = Listener(ear, *teller.windowings, *more, keep=teller.keep)
        self._labels = labels
        self._context = context

    def hear(
        self, samples: Samples, model: EmotionModel, cancelled: Cancellation, *, last: bool
    ) -> list[Segment]:
        """The next stretch. Call `watch.begin` before it is read. Raises `Cancelled`."""

        def classify(part: Samples) -> Floats:
            clip = Clip(part, self._context.priority, self._context.timeout())
            return in_order(model.classify(clip, cancelled), self._labels)

        heard = self.listener.feed(samples)
        if last:
            heard += self.listener.finish()
        self.watch.decoded()
        self.voices += [
            each for each in heard if isinstance(each, Window) and each.windowing is SPEAKER
        ]
        segments = self.teller.tell(self.listener, heard, classify, last=last)
        self.watch.inferred()
        return segments


class WholeTeller:
    """Tells of the whole, and how it goes.

    A recording that is no longer than what models learn from is classified in one piece, as in
    their training and evaluation; a longer one is the mean of its windows, weighted by speech.
    """

    keep = WINDOW_SECONDS

    def __init__(self, labels: list[str], *, timeline: bool, speakers: bool) -> None:
        self.windowings: tuple[Windowing, ...] = (RECORDED,)
        self.scored: list[Scored] = []
        self._labels = labels
        self._wanted = timeline
        self._needed = timeline or speakers
        self._timeline = Timeline(labels)
        self._piece: tuple[LabelScore, ...] | None = None
        self._fresh = True

    @property
    def whole(self) -> tuple[LabelScore, ...]:
        """See `Teller`."""
        return self._timeline.whole.ranked if self._piece is None else self._piece

    def tell(
        self, listener: Listener, heard: Sequence[Heard], classify: Classify, *, last: bool
    ) -> list[Segment]:
        """See `Teller`."""
        windows = [each for each in heard if isinstance(each, Window)]
        windows = [each for each in windows if each.windowing is RECORDED]
        if last and self._fresh and listener.seconds <= WINDOW_SECONDS and windows:
            scores = classify(listener.tape.cut(0.0, listener.seconds))
            mean = Mean(self._labels)
            mean.add(scores, 1.0)
            self._piece = mean.ranked
            if len(windows) == 1:  # It is all that is said.
                classify = _given(scores)
            elif not self._needed:
                return []
        self._fresh = False
        segments = self._segments(heard, classify)
        if last:
            segments += self._timeline.finish(listener.seconds)
        return segments if self._wanted else []

    def _segments(self, heard: Sequence[Heard], classify: Classify) -> list[Segment]:
        segments: list[Segment] = []
        for event in heard:
            if isinstance(event, Began):
                segments += self._timeline.began(event)
            elif isinstance(event, Ended):
                segments += self._timeline.ended(event)
            elif event.windowing is RECORDED:
                scores = classify(event.samples)
                self.scored.append(Scored(event.start, event.end, scores))
                segments += self._timeline.window(event, scores)
        return segments


class SpanTeller:
    """Tells of spans that were asked for, in their order; the whole is their mean.

    A span that is longer than what models learn from is classified in equal parts.
    """

    windowings: tuple[Windowing, ...] = ()
    keep = WINDOW_SECONDS

    def __init__(
        self, labels: list[str], spans: Sequence[tuple[float, float]], most: float
    ) -> None:
        """`most` is how long a recording may be, seconds: what is asked beyond it is nothing."""
        self.scored: list[Scored] = []
        self._spans = spans
        self._means = [Mean(labels) for _ in spans]
        self._whole = Mean(labels)
        self._parts = sorted(
            (part for place, span in enumerate(spans) for part in _parts(place, *span, most)),
            key=lambda part: part.end,
            reverse=True,
        )

    @property
    def whole(self) -> tuple[LabelScore, ...]:
        """See `Teller`."""
        return self._whole.ranked

    def tell(
        self, listener: Listener, heard: Sequence[Heard], classify: Classify, *, last: bool
    ) -> list[Segment]:
        """See `Teller`. All segments come at the end."""
        known = listener.seconds if last else listener.settled
        while self._parts and (last or self._parts[-1].end <= known):
            self._classify(self._parts.pop(), listener, classify)
        if not last:
            return []
        told = zip(self._spans, self._means, strict=True)
        return [Segment(start, end, mean.ranked) for (start, end), mean in told]

    def _classify(self, part: "_Part", listener: Listener, classify: Classify) -> None:
        end = min(part.end, listener.seconds)
        spoken = listener.spoken(part.start, end)
        samples = listener.tape.cut(part.start, end) if spoken > 0 else None
        # A span may be shorter than a sample.
        if samples is None or samples.size == 0:
            return
        scores = classify(samples)
        self.scored.append(Scored(part.start, end, scores))
        self._means[part.place].add(scores, spoken)
        self._whole.add(scores, spoken)


@dataclass(frozen=True, slots=True)
class _Part:
    place: int
    start: float
    end: float


def _parts(place: int, start: float, end: float, most: float) -> list[_Part]:
    end = min(end, most)
    count = int(np.ceil((end - start) / WINDOW_SECONDS))
    borders = np.linspace(start, end, max(0, count) + 1)
    return [_Part(place, float(a), float(b)) for a, b in itertools.pairwise(borders)]


def in_order(scores: Sequence[LabelScore], labels: Sequence[str]) -> Floats:
    """Scores in the order of the labels, shape `(labels,)`.

    Raises `ModelLoadFailed` where a model, on another machine perhaps, has others.
    """
    found = {each.label: each.score for each in scores}
    if found.keys() != set(labels):
        raise ModelLoadFailed(
            f"The model tells {', '.join(sorted(found))}, its model.yaml names "
            f"{', '.join(sorted(labels))}; export it again.",
            param="model",
        )
    return np.array([found[label] for label in labels], np.float32)


def _given(scores: Floats) -> Classify:
    return lambda _samples: scores
