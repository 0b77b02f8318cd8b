import asyncio
import math
from collections.abc import AsyncGenerator

import pytest

from gateway.retry import PAUSE, Outcome, Retries
from services.runtime.context import RequestContext
from services.runtime.errors import Internal, ModelLoading, OrfeonError, ServiceUnavailable
from tests.fakes.clock import FakeClock

CONTEXT = RequestContext("req_1")
DOWN = ServiceUnavailable("down")


class Scene:
    """Services that are back after `back_after` seconds, a clock, and attempts that fail so."""

    def __init__(self, *failures: OrfeonError, back_after: float = 1, lost_for: float = 0) -> None:
        self.clock = FakeClock()
        self.failures = list(failures)
        self.back_after = back_after
        self.lost = lost_for
        self.attempts = 0
        self.outcomes: list[tuple[str, Outcome]] = []
        self.retries = Retries(self, self, 20, clock=self.clock, sleep=self.sleep)

    def lost_for(self, capability: str) -> float:
        return self.lost

    async def is_serving(self, capability: str) -> bool:
        return self.clock.now >= self.back_after

    def answered(self, capability: str) -> None:
        self.lost = 0

    def retried(self, capability: str, outcome: Outcome) -> None:
        self.outcomes.append((capability, outcome))

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def attempt(self) -> str:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"

    async def pieces(self) -> AsyncGenerator[str, None]:
        self.attempts += 1
        yield "first"
        yield await self.attempt()

    async def late_pieces(self) -> AsyncGenerator[str, None]:
        yield await self.attempt()
        yield "last"

    async def whole(self, context: RequestContext = CONTEXT) -> str:
        return await self.retries.whole("chat", context, self.attempt)


async def test_what_is_answered_at_once_is_no_retry() -> None:
    scene = Scene()
    assert await scene.whole() == "answer"
    assert scene.outcomes == []


async def test_a_service_that_died_is_asked_again_once_it_serves() -> None:
    scene = Scene(DOWN, back_after=5)
    assert await scene.whole() == "answer"
    assert 5 <= scene.clock.now < 6.5
    assert scene.outcomes == [("chat", "answered")]


async def test_a_service_that_does_not_come_back_is_given_up() -> None:
    scene = Scene(DOWN, back_after=math.inf)
    with pytest.raises(ServiceUnavailable):
        await scene.whole()
    assert 18 < scene.clock.now <= 20
    assert scene.attempts == 1
    assert scene.outcomes == [("chat", "abandoned")]


async def test_nobody_waits_past_the_deadline() -> None:
    scene = Scene(DOWN, back_after=math.inf)
    with pytest.raises(ServiceUnavailable):
        await scene.whole(RequestContext("req_1", deadline=3))
    assert scene.clock.now <= 3


@pytest.mark.parametrize("lost_for", [math.inf, 21])
async def test_a_service_long_gone_or_never_there_fails_at_once(lost_for: float) -> None:
    scene = Scene(DOWN, lost_for=lost_for)
    with pytest.raises(ServiceUnavailable):
        await scene.whole()
    assert (scene.clock.now, scene.attempts, scene.outcomes) == (0, 1, [])


async def test_what_has_answered_was_there() -> None:
    scene = Scene(lost_for=math.inf)
    assert await scene.whole() == "answer"
    assert [piece async for piece in scene.retries.pieces("chat", CONTEXT, scene.late_pieces)]
    scene.failures = [DOWN]
    assert await scene.whole() == "answer"
    assert scene.outcomes == [("chat", "answered")]


async def test_a_request_that_kills_every_service_is_not_asked_for_ever() -> None:
    scene = Scene(DOWN, DOWN, DOWN, DOWN)
    with pytest.raises(ServiceUnavailable):
        await scene.whole()
    assert scene.attempts == 3
    assert scene.outcomes == [("chat", "failed"), ("chat", "failed")]


@pytest.mark.parametrize("error", [ModelLoading("soon"), Internal("broken")])
async def test_other_failures_are_final(error: OrfeonError) -> None:
    scene = Scene(error)
    with pytest.raises(type(error)):
        await scene.whole()
    assert scene.attempts == 1


async def test_a_stream_begins_again_before_its_first_piece() -> None:
    scene = Scene(DOWN)
    pieces = scene.retries.pieces("chat", CONTEXT, scene.late_pieces)
    assert [piece async for piece in pieces] == ["answer", "last"]
    assert scene.outcomes == [("chat", "answered")]


async def test_a_stream_that_has_begun_does_not_begin_again() -> None:
    scene = Scene(DOWN)
    pieces = scene.retries.pieces("chat", CONTEXT, scene.pieces)
    assert await anext(pieces) == "first"
    with pytest.raises(ServiceUnavailable):
        await anext(pieces)
    assert scene.outcomes == []


async def test_those_who_wait_go_on_together_in_their_order_after_one_question() -> None:
    now, asked, went_on = 0.0, 0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        await asyncio.sleep(0)

    class Service:
        def lost_for(self, capability: str) -> float:
            return 0

        def answered(self, capability: str) -> None:
            pass

        async def is_serving(self, capability: str) -> bool:
            nonlocal asked
            asked += 1
            return now >= 3

    retries = Retries(Service(), Scene(), 20, clock=lambda: now, sleep=sleep)

    async def wait(who: int) -> None:
        assert await retries.back("chat", until=20)
        went_on.append((who, asked))

    waiting = [asyncio.create_task(wait(who)) for who in range(4)]
    await asyncio.sleep(0)
    waiting.pop(0).cancel()
    await asyncio.gather(*waiting)
    assert went_on == [(who, asked) for who in (1, 2, 3)]
    assert now == pytest.approx(asked * PAUSE)


async def test_a_service_that_was_away_for_long_is_found_as_soon_as_one_that_was_not() -> None:
    scene = Scene(DOWN, back_after=10)
    await scene.whole()
    assert scene.clock.now <= 10 + 2 * PAUSE
