import asyncio
from collections.abc import AsyncIterator

import pytest

from services.emotion.following import Arrivals, Streams, check_size, patiently
from services.runtime.errors import InvalidRequest, Overloaded


async def test_parts_come_through_until_they_end() -> None:
    async def parts() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [part async for part in patiently(parts(), 10)] == [1, 2]


async def test_a_stream_that_stalls_is_ended_with_a_sentence() -> None:
    async def parts() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    coming = patiently(parts(), 0.01)
    assert await anext(coming) == 1
    with pytest.raises(InvalidRequest, match=r"0\.01 s"):
        await anext(coming)


async def test_there_are_so_many_streams_at_once() -> None:
    streams = Streams(1)
    async with streams.place():
        with pytest.raises(Overloaded):
            async with streams.place():
                pass
    async with streams.place():
        pass


def test_a_delay_is_counted_from_when_the_sample_came() -> None:
    now = 100.0
    arrivals = Arrivals(lambda: now)
    for message in range(1, 11):
        now = 100.0 + message / 10
        arrivals.add(message / 10)
    now = 101.25
    assert arrivals.since(0.5) == pytest.approx(0.75)
    assert arrivals.since(0.55) == pytest.approx(0.65)
    assert arrivals.since(2.0) == pytest.approx(0.25)


def test_hours_of_silence_are_not_remembered() -> None:
    arrivals = Arrivals(lambda: 0.0)
    for message in range(100_000):
        arrivals.add(message / 10)
    assert len(arrivals) < 2_000


def test_a_message_holds_half_a_minute_at_most() -> None:
    check_size(bytes(2 * 2 * 8_000 * 30), 8_000, 2)
    with pytest.raises(InvalidRequest):
        check_size(bytes(2 * 2 * 8_000 * 31), 8_000, 2)
