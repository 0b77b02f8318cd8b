"""Live listening, with a gateway that does as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from orfeon.errors import APIConnectionError, OrfeonError
from orfeon.voices import (
    EmotionHeard,
    LabelScore,
    LiveEvent,
    SessionFinished,
    SpeechStarted,
    SpeechStopped,
    TimelineSegment,
)
from services.studio.listening import SILENT, Listener, Listeners, Stream
from services.studio.pages.emotion_live import shown, status
from services.studio.sessions import Sessions
from services.studio.sign_in import credential
from services.studio.texts import Texts

EN, ES = Texts("en"), Texts("es")
RATE = 8_000


def heard(start: float, end: float, label: str) -> TimelineSegment:
    return TimelineSegment(start, end, label, 0.8, (LabelScore(label, 0.8), LabelScore("sad", 0.2)))


class Scripted:
    """A stream that tells `events` and, once it was told that no more comes, that it is done."""

    def __init__(self, events: list[LiveEvent], problem: OrfeonError | None = None) -> None:
        self.sent = b""
        self.told = asyncio.Event()
        self._events = events
        self._problem = problem
        self._finished = asyncio.Event()

    async def send(self, samples: bytes) -> None:
        self.sent += samples

    async def finish(self) -> None:
        self._finished.set()

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        for event in self._events:
            yield event
        self.told.set()
        if self._problem is not None:
            # Whoever sends has come to wait for more.
            for _ in range(5):
                await asyncio.sleep(0)
            raise self._problem
        await self._finished.wait()
        yield SessionFinished(1.0, 1.0)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Stream]:
        yield self


def sound(seconds: float) -> bytes:
    return np.full(round(seconds * RATE), 8_000, "<i2").tobytes()


async def test_sound_goes_to_the_gateway_and_what_is_heard_comes_back() -> None:
    stream = Scripted(
        [
            SpeechStarted(0.0),
            EmotionHeard(heard(0.0, 1.0, "happy"), 0.1),
            EmotionHeard(heard(0.0, 2.0, "happy"), 0.1),
            EmotionHeard(heard(0.5, 2.5, "angry"), 0.1),
        ]
    )
    listener = Listener(RATE)
    running = asyncio.create_task(listener.run(stream.opened))
    listener.hear(sound(3.0))
    await stream.told.wait()
    assert [(each.start, each.end, each.label) for each in listener.moments] == [
        (0.0, 1.0, "happy"),
        (1.0, 2.0, "happy"),
        (2.0, 2.5, "angry"),
    ]
    assert "Most likely: angry" in shown(listener, EN)
    assert status(listener, EN) == "Listening."
    listener.finish()
    await running
    assert stream.sent == sound(3.0)
    assert listener.ended == "done"
    assert status(listener, EN) == "Stopped after 0:03."
    assert "Most likely" not in shown(listener, EN)


async def test_what_was_said_is_told_once_it_has_ended() -> None:
    stream = Scripted([SpeechStarted(0.0), SpeechStopped(4.0, heard(1.0, 4.0, "sad"))])
    listener = Listener(RATE)
    running = asyncio.create_task(listener.run(stream.opened))
    await stream.told.wait()
    assert status(listener, ES) == "0:01 – 0:04: tristeza, 80 %"
    assert "<li>0:01 – 0:04: tristeza" in shown(listener, ES)
    listener.finish()
    await running


async def test_a_gateway_that_goes_away_ends_it_with_a_sentence() -> None:
    stream = Scripted([SpeechStarted(0.0)], APIConnectionError("The stream broke off."))
    listener = Listener(RATE)
    others = asyncio.all_tasks()
    running = asyncio.create_task(listener.run(stream.opened))
    await running
    assert asyncio.all_tasks() - others <= {running}
    listener.hear(sound(1.0))
    assert status(listener, EN).startswith("The server cannot be reached")
    assert status(listener, ES).startswith("No se puede contactar")


async def test_a_gateway_that_was_never_there_ends_it_with_a_sentence() -> None:
    @asynccontextmanager
    async def away() -> AsyncIterator[Stream]:
        raise APIConnectionError("Nobody is there.")
        yield

    listener = Listener(RATE)
    await listener.run(away)
    assert status(listener, EN).startswith("The server cannot be reached")


async def test_a_browser_that_is_gone_ends_it() -> None:
    stream = Scripted([])
    listener = Listener(RATE, gone=0.01)
    await asyncio.wait_for(listener.run(stream.opened), 60)
    assert listener.ended == "done"


async def test_it_ends_after_a_long_silence_and_not_while_somebody_speaks() -> None:
    speaking = Scripted([SpeechStarted(0.0)])
    listener = Listener(RATE)
    running = asyncio.create_task(listener.run(speaking.opened))
    await speaking.told.wait()
    listener.hear(sound(SILENT + 1))
    assert listener.ended is None
    listener.finish()
    await running
    silent = Listener(RATE)
    running = asyncio.create_task(silent.run(Scripted([]).opened))
    silent.hear(sound(SILENT + 1))
    await running
    assert status(silent, EN) == "Stopped, because nobody has spoken for 5 minutes."


async def test_a_gateway_that_takes_nothing_ends_it_instead_of_filling_memory() -> None:
    listener = Listener(RATE)
    for _ in range(100):
        listener.hear(sound(0.25))
    assert listener.seconds < 20
    await listener.run(Scripted([]).opened)
    assert status(listener, EN) == "The connection was lost. Start again."


async def test_a_session_has_one_stream_at_a_time() -> None:
    listeners = Listeners()
    first = listeners.open("ana", RATE, Scripted([]).opened)
    other = listeners.open("eva", RATE, Scripted([]).opened)
    second = listeners.open("ana", RATE, Scripted([]).opened)
    assert listeners.get("ana", first.id) is None
    assert listeners.get("ana", second.id) is second
    assert listeners.get("ana", other.id) is None
    for each in (second, other):
        each.finish()
    for each in (first, second, other):
        await each.over.wait()
    assert first.ended == "elsewhere"


async def test_it_ends_with_the_session_that_it_is_of() -> None:
    session = Sessions(3600, 3600, 10).open("me", credential("sk-orf-1"), "me")
    stream = Scripted([SpeechStarted(0.0)])

    @asynccontextmanager
    async def opened() -> AsyncIterator[Stream]:
        async with session.working(), stream.opened() as live:
            yield live

    listener = Listener(RATE)
    running = asyncio.create_task(listener.run(opened))
    await stream.told.wait()
    session.end()
    await asyncio.wait_for(running, 60)
    assert status(listener, EN) == EN("errors.signed_out")
