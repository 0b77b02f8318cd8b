import asyncio
import threading
from collections.abc import Iterator

import pytest

from services.runtime import worker
from services.runtime.worker import Cancellation


async def test_a_function_runs_in_another_thread_and_its_result_comes_back() -> None:
    assert await worker.run(lambda _: threading.current_thread()) is not threading.main_thread()


async def test_cancelling_waits_until_the_function_has_noticed() -> None:
    entered, noticed = threading.Event(), threading.Event()

    def work(cancelled: Cancellation) -> None:
        entered.set()
        while not cancelled.is_set:
            pass
        noticed.set()

    task = asyncio.ensure_future(worker.run(work))
    await asyncio.to_thread(entered.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert noticed.is_set()


async def test_items_come_in_order_and_errors_after_the_items_before_them() -> None:
    def work(_: Cancellation) -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("three")

    seen = []
    with pytest.raises(ValueError, match="three"):  # noqa: PT012 - what came before counts
        async with worker.stream(work) as items:
            async for item in items:
                seen.append(item)
    assert seen == [1, 2]


async def test_the_thread_makes_no_more_than_the_items_allowed_ahead() -> None:
    made: list[int] = []

    def work(_: Cancellation) -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    async with worker.stream(work, ahead=4) as items:
        first = await anext(aiter(items))
        assert first == 0
    assert len(made) <= 4 + 2


async def test_leaving_the_block_early_stops_the_iteration() -> None:
    stopped = threading.Event()

    def work(cancelled: Cancellation) -> Iterator[int]:
        try:
            number = 0
            while not cancelled.is_set:
                yield number
                number += 1
        finally:
            stopped.set()

    async with worker.stream(work, ahead=100_000) as items:
        await anext(aiter(items))
    assert stopped.is_set()
