"""Time that passes only when nothing else can."""

import asyncio
import time

import pytest

from bench.simulation.virtual import NothingLeft, run


def test_an_hour_passes_in_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.perf_counter()
    assert run(main) == pytest.approx(3600)
    assert time.perf_counter() - began < 60


def test_sleepers_wake_in_the_order_of_their_alarms() -> None:
    woken: list[tuple[float, float]] = []

    async def sleeper(seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((seconds, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(*(sleeper(seconds) for seconds in (3.0, 1.0, 2.5, 0.0)))

    run(main)
    assert [seconds for seconds, _ in woken] == [0.0, 1.0, 2.5, 3.0]
    assert [now for _, now in woken] == pytest.approx([0.0, 1.0, 2.5, 3.0])


def test_what_is_ready_runs_before_the_clock_moves() -> None:
    async def main() -> float:
        for _ in range(100):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(main) == 0.0


def test_a_timeout_is_virtual_too() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(500):
                await asyncio.sleep(501)
        return asyncio.get_running_loop().time()

    assert run(main) == pytest.approx(500)


def test_a_day_and_a_moment_are_told_apart() -> None:
    async def main() -> float:
        await asyncio.sleep(10 * 24 * 3600)
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(1e-6)
        return asyncio.get_running_loop().time() - before

    assert run(main) == pytest.approx(1e-6, rel=1e-2)


def test_a_wait_without_end_is_an_error_and_no_endless_run() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingLeft, match="no timer"):
        run(main)
