"""Live sound on its way from a browser to the gateway, and what is heard in it."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

import numpy as np

from orfeon.voices import (
    EmotionHeard,
    LabelScore,
    LiveEvent,
    SpeechStarted,
    SpeechStopped,
    TimelineSegment,
)
from services.studio.settings import new_secret
from services.studio.waveform import Waveform

#: Seconds without sound, after which the browser is gone; without speech, after which nobody is
#: there; and the most at a time.
GONE, SILENT, LONG = 10.0, 5 * 60.0, 60 * 60.0
#: Pieces that may wait for the gateway, and moments and utterances that are remembered.
_PIECES, _MOMENTS, _UTTERANCES = 64, 400, 20
#: Streams that have ended are remembered for so long, for whoever asks why, seconds.
_REMEMBERED = 60.0


class Stream(Protocol):
    """An open live stream, as `AsyncOrfeon.listen` gives it."""

    async def send(self, samples: bytes) -> None:
        """Sends signed 16-bit samples."""

    async def finish(self) -> None:
        """Says that no more come."""

    def __aiter__(self) -> AsyncIterator[LiveEvent]: ...


Opened = Callable[[], AbstractAsyncContextManager[Stream]]


class Listener:
    """One live stream of `rate` samples a second.

    `moments` are pieces of time, one after the other, with what the voice tells in them; `now` are
    the labels of the last while somebody speaks. `utterances` are told of once they have ended.
    `ended` says why it has: the word of a sentence, or what failed. `over` is set then.
    """

    def __init__(
        self, rate: int, clock: Callable[[], float] = time.monotonic, gone: float = GONE
    ) -> None:
        self.id = new_secret()
        self.waveform = Waveform(rate)
        self.moments: deque[TimelineSegment] = deque(maxlen=_MOMENTS)
        self.utterances: deque[TimelineSegment] = deque(maxlen=_UTTERANCES)
        self.now: tuple[LabelScore, ...] = ()
        self.ended: str | Exception | None = None
        self.over = asyncio.Event()
        self._clock = clock
        self._gone = gone
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(_PIECES)
        self._enough = asyncio.Event()
        self._why = "done"
        self._spoken = 0.0
        self._speaking = False
        self._at = clock()

    @property
    def seconds(self) -> float:
        """How much was sent so far."""
        return self.waveform.seconds

    @property
    def forgotten(self) -> bool:
        """Whether it ended so long ago that nobody will ask."""
        return self.ended is not None and self._clock() - self._at > _REMEMBERED

    def hear(self, samples: bytes) -> None:
        """Goes on with signed 16-bit samples of one channel."""
        self._at = self._clock()
        if self.ended is not None or self._enough.is_set() or not samples:
            return
        if self._pieces.full():
            self.finish("behind")
            return
        self._pieces.put_nowait(samples)
        self.waveform.add(np.frombuffer(samples, "<i2").astype(np.float32) / np.float32(2**15))
        if self._speaking:
            self._spoken = self.seconds
        if self.seconds - self._spoken > SILENT:
            self.finish("silent")
        elif self.seconds > LONG:
            self.finish("long")

    def finish(self, why: str = "done") -> None:
        """No more comes; what has come is heard to its end."""
        if not self._enough.is_set():
            self._why = why
            self._enough.set()
            if not self._pieces.full():
                # Wakes whoever waits for a piece.
                self._pieces.put_nowait(b"")

    async def run(self, opened: Opened) -> None:
        """Passes sound on and takes in what is heard, until there is no more of it."""
        try:
            async with opened() as live:
                feeding = asyncio.create_task(self._feed(live))
                try:
                    async for event in live:
                        self._take(event)
                finally:
                    feeding.cancel()
                    await asyncio.gather(feeding, return_exceptions=True)
            self.ended = self._why
        except Exception as error:
            self.ended = error
        self.now = ()
        self.over.set()

    async def _feed(self, live: Stream) -> None:
        while not (self._enough.is_set() and self._pieces.empty()):
            try:
                piece = await asyncio.wait_for(self._pieces.get(), self._gone)
            except TimeoutError:
                self.finish()
                continue
            if piece:
                await live.send(piece)
        await live.finish()

    def _take(self, event: LiveEvent) -> None:
        match event:
            case SpeechStarted():
                self._speaking = True
            case EmotionHeard(segment):
                # Each tells of the last two seconds; only the end of that is new.
                last = self.moments[-1].end if self.moments else 0.0
                self.moments.append(replace(segment, start=max(segment.start, last)))
                self.now = segment.labels
            case SpeechStopped(_, segment):
                self._speaking = False
                self.utterances.append(segment)
                self.now = ()


class Listeners:
    """The live streams of all sessions: one of each at a time."""

    def __init__(self) -> None:
        self._listeners: dict[str, Listener] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, session: str, rate: int, opened: Opened) -> Listener:
        """Begins a stream; the one that the session had before ends."""
        for owner, each in list(self._listeners.items()):
            if each.forgotten:
                del self._listeners[owner]
        if (before := self._listeners.get(session)) is not None:
            before.finish("elsewhere")
        listener = self._listeners[session] = Listener(rate)
        task = asyncio.create_task(listener.run(opened))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return listener

    def get(self, session: str, id: str) -> Listener | None:
        """The stream of this id; None where the session has no such any more."""
        listener = self._listeners.get(session)
        return listener if listener is not None and listener.id == id else None
