"""How long a step waits for a service, and what it does not wait for."""

import pytest

from services.runtime.errors import (
    InvalidRequest,
    ModelLoading,
    OrfeonError,
    Overloaded,
    ServiceUnavailable,
)
from services.song.upstreams import Patience
from tests.fakes.clock import FakeClock


class Waiting:
    """A patience whose waits pass at once."""

    def __init__(self, seconds: float) -> None:
        self.clock = FakeClock()
        self.waits: list[float] = []
        self.patience = Patience(seconds, clock=self.clock, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(seconds)

    async def ask(self, *errors: OrfeonError) -> str:
        left = list(errors)

        async def attempt() -> str:
            if left:
                raise left.pop(0)
            return "answer"

        return await self.patience.until_done("melody", attempt)


async def test_what_passes_is_waited_for_longer_and_longer() -> None:
    waiting = Waiting(600)
    away = ServiceUnavailable("Away.")
    assert await waiting.ask(*[away] * 8) == "answer"
    assert waiting.waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


@pytest.mark.parametrize("error", [Overloaded("Full."), ModelLoading("Loads.")])
async def test_what_passes_is_this(error: OrfeonError) -> None:
    assert await Waiting(10).ask(error) == "answer"


async def test_a_service_may_say_when_to_come_back() -> None:
    waiting = Waiting(600)
    await waiting.ask(Overloaded("Full.", retry_after=3.0), Overloaded("Full.", retry_after=99.0))
    assert waiting.waits == [3.0, 5.0]


async def test_what_is_final_is_not_waited_for() -> None:
    waiting = Waiting(600)
    with pytest.raises(InvalidRequest):
        await waiting.ask(InvalidRequest("No."))
    assert waiting.waits == []


async def test_patience_ends() -> None:
    waiting = Waiting(60)
    with pytest.raises(ServiceUnavailable):
        await waiting.ask(*[ServiceUnavailable("Away.")] * 100)
    assert 50 < sum(waiting.waits) <= 60
