"""Live streams: samples in, what is heard out, while it is heard."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from services.emotion.engine import Clip
from services.emotion.hearing import Floats, in_order
from services.emotion.listening import Heard, Listener, Window
from services.emotion.timeline import Mean, Segment, Smoother
from services.emotion.turns import Turns
from services.emotion.voice_activity import Began
from services.runtime import worker
from services.runtime.audio import Pcm
from services.runtime.context import RequestContext
from services.runtime.errors import InvalidRequest, Overloaded

#: What live scores are smoothed by, seconds.
SMOOTHING = 0.5

T = TypeVar("T")

#: How often a full queue is tried, and seconds between.
_TRIES, _PAUSE = 20, 0.25


@dataclass(frozen=True, slots=True)
class Emotion:
    """What is heard now, and how long after the end of that stretch it is told, seconds."""

    segment: Segment
    delay: float


@dataclass(frozen=True, slots=True)
class Silence:
    """Nobody speaks any more, since `at`; and all that was said."""

    at: float
    said: Segment


#: What is told of a live stream.
Event = Began | Emotion | Silence


class Streams:
    """The live streams of a container, of which there may be so many at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._here = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Takes a place for the block. Raises `Overloaded` where there is none."""
        if self._here >= self._most:
            raise Overloaded(
                f"{self._most} live streams are followed already; try again later.",
                retry_after=5.0,
            )
        self._here += 1
        try:
            yield
        finally:
            self._here -= 1


class Arrivals:
    """When samples came, of the last messages. `clock` is in seconds."""

    #: Messages remembered: 20 s of very small ones.
    _MOST = 1024

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._came: deque[tuple[float, float]] = deque(maxlen=self._MOST)

    def __len__(self) -> int:
        return len(self._came)

    def add(self, seconds: float) -> None:
        """All up to so many seconds of the stream has come."""
        self._came.append((seconds, self._clock()))

    def since(self, moment: float) -> float:
        """How long ago the sample of a moment came, seconds. Moments never go back."""
        while len(self._came) > 1 and self._came[0][0] < moment:
            self._came.popleft()
        return self._clock() - self._came[0][1]


class Follower:
    """Follows one stream. Nothing of it is kept but the last seconds."""

    def __init__(self, pcm: Pcm, listener: Listener, turns: Turns, context: RequestContext) -> None:
        self._pcm = pcm
        self._turns = turns
        self._context = context
        self._labels = turns.manifest.labels
        self._smoother = Smoother(SMOOTHING)
        self._said = Mean(self._labels)
        self._began = 0.0
        self._told = 0.0
        self._arrivals = Arrivals()
        self.listener = listener

    async def feed(self, data: bytes) -> AsyncIterator[Event]:
        """What the next samples tell. Nothing more is read meanwhile: who sends faster than can be
        listened to waits. Raises `InvalidRequest`, and what `ModelHost.lease` raises.
        """
        heard = await worker.run(lambda _cancelled: self.listener.feed(self._pcm.feed(data)))
        self._arrivals.add(self.listener.seconds)
        async for event in self._tell(heard):
            yield event

    async def finish(self) -> AsyncIterator[Event]:
        """What the end of the stream tells."""

        def end() -> list[Heard]:
            return self.listener.feed(self._pcm.finish()) + self.listener.finish()

        heard = await worker.run(lambda _cancelled: end())
        self._arrivals.add(self.listener.seconds)
        async for event in self._tell(heard):
            yield event

    async def _tell(self, heard: list[Heard]) -> AsyncIterator[Event]:
        for event in heard:
            if isinstance(event, Began):
                self._smoother.reset()
                self._said = Mean(self._labels)
                self._began = self._told = event.at
                yield event
            elif isinstance(event, Window):
                scores = self._smoother.add(event, await self._classified(event))
                self._said.add(scores, event.end - self._told)
                self._told = event.end
                now = Mean(self._labels)
                now.add(scores, 1.0)
                segment = Segment(event.start, event.end, now.ranked)
                yield Emotion(segment, self._arrivals.since(event.end))
            else:
                yield Silence(event.at, Segment(self._began, event.at, self._said.ranked))

    async def _classified(self, window: Window) -> Floats:
        clip = Clip(window.samples, self._context.priority, self._context.timeout())
        for patience in reversed(range(_TRIES)):
            try:
                async with self._turns.next(clip.seconds) as given:
                    return in_order(
                        await worker.run(partial(given.model.classify, clip)),
                        self._labels,
                    )
            except Overloaded:
                # A stream outlives a queue that is full for a moment; it is read the later.
                if not patience:
                    raise
                await asyncio.sleep(_PAUSE)
        raise AssertionError("the last try returns or raises")


async def patiently(parts: AsyncIterator[T], seconds: float) -> AsyncIterator[T]:
    """Parts as they come. Raises `InvalidRequest` where none comes for so many seconds."""
    while True:
        try:
            async with asyncio.timeout(seconds):
                part = await anext(parts, None)
        except TimeoutError:
            raise InvalidRequest(
                f"Nothing has come for {seconds:g} s; send samples, silence too, or end the stream."
            ) from None
        if part is None:
            return
        yield part


async def read_off(parts: AsyncIterator[T], seconds: float = 5.0) -> None:
    """Reads what is still on its way, and keeps none of it: see `Uploads.received`."""
    with contextlib.suppress(TimeoutError, InvalidRequest):
        async with asyncio.timeout(seconds):
            async for _ in parts:
                pass


#: Longest message of a live stream: what it holds is listened to before more is read.
MOST_SECONDS = 30


def check_size(data: bytes, rate: int, channels: int) -> None:
    """Raises `InvalidRequest` for a message that holds too much."""
    if len(data) > 2 * channels * rate * MOST_SECONDS:
        raise InvalidRequest(f"A message may hold {MOST_SECONDS} s of sound; send less at a time.")
