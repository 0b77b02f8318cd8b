"""Who is signed in, and what is done for them."""

import asyncio
from collections.abc import Callable

import pytest

from services.studio.sessions import Session, Sessions, SignedOut
from tests.fakes.clock import FakeClock


async def key() -> str:
    return "sk-orf-1"


def sessions(clock: FakeClock, most: int = 10) -> Sessions:
    return Sessions(lifetime=100, idle=10, most=most, clock=clock)


def test_a_session_is_found_by_its_id_alone() -> None:
    all_of_them = sessions(FakeClock())
    mine = all_of_them.open("me", key, "me")
    assert all_of_them.get(mine.id) is mine
    for other in ("", None, "x", mine.id[:-1], mine.id.upper(), "me"):
        assert all_of_them.get(other) is None


def test_ids_are_never_used_again() -> None:
    all_of_them = sessions(FakeClock(), most=1000)
    ids = {all_of_them.open("me", key, "me").id for _ in range(500)}
    assert len(ids) == 500
    assert min(map(len, ids)) >= 43


def test_a_session_that_is_not_used_ends() -> None:
    clock = FakeClock()
    all_of_them = sessions(clock)
    mine = all_of_them.open("me", key, "me")
    for _ in range(5):
        clock.advance(9)
        assert all_of_them.get(mine.id) is mine
    clock.advance(10.1)
    assert all_of_them.get(mine.id) is None
    assert len(all_of_them) == 0


def test_a_session_ends_however_much_it_is_used() -> None:
    clock = FakeClock()
    all_of_them = sessions(clock)
    mine = all_of_them.open("me", key, "me")
    for _ in range(11):
        clock.advance(9)
        assert all_of_them.get(mine.id) is mine
    clock.advance(1)
    assert all_of_them.get(mine.id) is None


def test_whoever_is_idle_longest_makes_room() -> None:
    clock = FakeClock()
    all_of_them = sessions(clock, most=2)
    first, second = (all_of_them.open(name, key, name) for name in ("first", "second"))
    clock.advance(1)
    all_of_them.get(first.id)
    third = all_of_them.open("third", key, "third")
    assert all_of_them.get(second.id) is None
    assert all_of_them.get(first.id) is first
    assert all_of_them.get(third.id) is third


def test_a_closed_session_is_gone_and_may_be_closed_again() -> None:
    all_of_them = sessions(FakeClock())
    mine, other = all_of_them.open("me", key, "me"), all_of_them.open("other", key, "other")
    for _ in range(2):
        all_of_them.close(mine.id)
        assert all_of_them.get(mine.id) is None
    assert all_of_them.get(other.id) is other


def test_only_those_that_have_not_ended_are_counted() -> None:
    clock = FakeClock()
    all_of_them = sessions(clock)
    all_of_them.open("idle", key, "idle")
    clock.advance(6)
    all_of_them.open("me", key, "me")
    assert all_of_them.alive() == 2
    clock.advance(6)
    assert all_of_them.alive() == 1


def test_who_is_dismissed_is_known_until_the_session_is_closed() -> None:
    all_of_them = sessions(FakeClock())
    mine = all_of_them.open("me", key, "me")
    all_of_them.dismiss(mine.id)
    all_of_them.dismiss("nobody")
    assert mine.dismissed
    assert all_of_them.get(mine.id) is mine


def test_of_too_many_sessions_of_one_person_their_own_go() -> None:
    clock = FakeClock()
    all_of_them = sessions(clock, most=100)
    other = all_of_them.open("me", key, "another who is called so")
    first, second, *_ = [all_of_them.open("me", key, "me") for _ in range(50)]
    clock.advance(1)
    all_of_them.get(first.id)
    all_of_them.open("me", key, "me")
    assert all_of_them.get(second.id) is None
    for each in (other, first):
        assert all_of_them.get(each.id) is each
    for _ in range(200):
        all_of_them.open("me", key, "me")
    assert all_of_them.get(other.id) is other
    assert len(all_of_them) == 51


def worked(session: Session) -> "asyncio.Task[None]":
    """Work for a session that never ends by itself."""

    async def work() -> None:
        async with session.working():
            await asyncio.Event().wait()

    return asyncio.create_task(work())


def replace(all_of_them: Sessions, id: str, clock: FakeClock) -> None:
    for _ in range(50):
        all_of_them.open("me", key, "me")


def crowd(all_of_them: Sessions, id: str, clock: FakeClock) -> None:
    for at in range(100):
        all_of_them.open(str(at), key, str(at))


def look_late(all_of_them: Sessions, id: str, clock: FakeClock) -> None:
    clock.advance(11)
    all_of_them.get(id)


def sweep_late(all_of_them: Sessions, id: str, clock: FakeClock) -> None:
    clock.advance(11)
    all_of_them.sweep()


def close(all_of_them: Sessions, id: str, clock: FakeClock) -> None:
    all_of_them.close(id)


def dismiss(all_of_them: Sessions, id: str, clock: FakeClock) -> None:
    all_of_them.dismiss(id)


@pytest.mark.parametrize(
    "ended",
    [close, dismiss, replace, crowd, look_late, sweep_late],
)
async def test_work_ends_with_its_session(
    ended: Callable[[Sessions, str, FakeClock], None],
) -> None:
    clock = FakeClock()
    all_of_them = sessions(clock, most=100)
    mine = all_of_them.open("me", key, "me")
    tasks = [worked(mine) for _ in range(3)]
    await asyncio.sleep(0)
    ended(all_of_them, mine.id, clock)
    for task in tasks:
        with pytest.raises(SignedOut):
            await task
    with pytest.raises(SignedOut):
        await worked(mine)
    # It may be ended again.
    all_of_them.close(mine.id)


async def test_work_of_other_sessions_goes_on() -> None:
    all_of_them = sessions(FakeClock())
    mine, other = (all_of_them.open("me", key, "me") for _ in range(2))
    task = worked(other)
    await asyncio.sleep(0)
    all_of_them.close(mine.id)
    all_of_them.sweep()
    assert await asyncio.wait({task}, timeout=0.01) == (set(), {task})
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_was_done_before_is_left_alone() -> None:
    mine = sessions(FakeClock()).open("me", key, "me")
    async with mine.working():
        pass
    mine.end()
    await asyncio.sleep(0)


async def test_work_that_takes_too_long_by_itself_says_so() -> None:
    mine = sessions(FakeClock()).open("me", key, "me")
    with pytest.raises(TimeoutError):
        async with mine.working():
            raise TimeoutError
