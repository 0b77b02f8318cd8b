import asyncio
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest

from services.runtime.connection import answer, answers
from services.runtime.errors import DeadlineExceeded, OrfeonError, ServiceUnavailable


class Call:
    """A call that ends as one does that is cancelled, some time before its deadline."""

    def __init__(self, left: float | None) -> None:
        self.left = left

    def __await__(self) -> Generator[Any, None, None]:
        yield from asyncio.sleep(0).__await__()
        raise asyncio.CancelledError

    async def __aiter__(self) -> AsyncIterator[None]:
        await self
        yield

    def time_remaining(self) -> float | None:
        return self.left

    def cancel(self) -> None:
        pass


async def first(call: Call) -> None:
    async for _ in answers(call):
        pass


@pytest.mark.parametrize("ask", [answer, first])
@pytest.mark.parametrize(
    ("left", "error"),
    [(None, ServiceUnavailable), (1.5, ServiceUnavailable), (0, DeadlineExceeded)],
)
async def test_a_call_that_grpc_gives_up_by_itself_has_failed(
    ask: Any, left: float | None, error: type[OrfeonError]
) -> None:
    with pytest.raises(error):
        await ask(Call(left))


@pytest.mark.parametrize("ask", [answer, first])
async def test_who_is_cancelled_while_it_waits_stays_cancelled(ask: Any) -> None:
    asking = asyncio.create_task(ask(Call(None)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
