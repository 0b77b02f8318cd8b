import asyncio

import pytest

from services.studio.work import Work


def soon() -> float:
    return 0.001


async def forever(begun: asyncio.Event, ended: list[str]) -> None:
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("closed")


async def test_one_is_told_from_time_to_time_and_at_the_end() -> None:
    done: list[int] = []

    async def job() -> None:
        for step in range(3):
            await asyncio.sleep(0)
            done.append(step)

    seen = [len(done) async for _ in Work().run(job(), soon)]
    assert seen[-1] == 3


async def test_what_is_stopped_ends_as_if_it_were_done() -> None:
    work, begun, ended = Work(), asyncio.Event(), list[str]()
    async for _ in work.run(forever(begun, ended), soon):
        if begun.is_set():
            work.stop()
    assert ended == ["closed"]


async def test_whoever_leaves_takes_the_work_with_them() -> None:
    begun, ended = asyncio.Event(), list[str]()
    running = Work().run(forever(begun, ended), soon)
    while not begun.is_set():
        await anext(running)
    await running.aclose()
    assert ended == ["closed"]


async def test_new_work_waits_until_the_old_has_ended() -> None:
    work, begun, ended = Work(), asyncio.Event(), list[str]()
    first = work.run(forever(begun, ended), soon)
    while not begun.is_set():
        await anext(first)

    async def second() -> None:
        ended.append("second")

    async for _ in work.run(second(), soon):
        pass
    assert ended == ["closed", "second"]
    await first.aclose()


async def test_what_fails_is_told() -> None:
    async def job() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        async for _ in Work().run(job(), soon):
            pass


async def test_stopping_nothing_is_no_fault() -> None:
    work = Work()
    work.stop()
    await work.end()
