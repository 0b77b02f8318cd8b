import asyncio
from contextlib import AsyncExitStack

import pytest

from services.runtime.errors import OutOfMemory
from services.runtime.residency import NEVER, Residency, State
from tests.fakes.clock import FakeClock


class Shelf:
    """A residency under test, over models that are strings."""

    def __init__(self, ttl: float = NEVER, budget: int = 0) -> None:
        self.clock = FakeClock()
        self.sizes = {"a": 10, "b": 10, "c": 10, "huge": 1000}
        self.loads: list[str] = []
        self.unloads: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing: set[str] = set()
        self.stuck: set[str] = set()
        self.models = Residency(
            load=self.load,
            unload=self.unload,
            size=self.sizes.__getitem__,
            observer=self,
            ttl=ttl,
            budget=budget,
            clock=self.clock,
        )

    async def load(self, name: str) -> str:
        self.loads.append(name)
        await self.gate.wait()
        if name in self.failing:
            raise OSError("no such file")
        return name.upper()

    async def unload(self, model: str) -> None:
        if model.lower() in self.stuck:
            raise OSError("device busy")
        self.unloads.append(model.lower())

    def loaded(self, name: str, seconds: float, size: int) -> None:
        pass

    def unloaded(self, name: str) -> None:
        pass

    async def use(self, name: str) -> None:
        async with self.models.lease(name) as model:
            assert model == name.upper()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_callers_cause_one_load() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    users = [asyncio.ensure_future(shelf.use("a")) for _ in range(5)]
    await settle()
    assert shelf.models.state("a") is State.LOADING
    shelf.gate.set()
    await asyncio.gather(*users)
    assert shelf.loads == ["a"]
    assert shelf.models.state("a") is State.LOADED


async def test_the_caller_who_leaves_does_not_stop_the_load_of_others() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    leaver, stayer = (asyncio.ensure_future(shelf.use("a")) for _ in range(2))
    await settle()
    leaver.cancel()
    await settle()
    shelf.gate.set()
    await stayer
    assert shelf.loads == ["a"]


async def test_a_failed_load_reaches_every_waiter_once_and_is_tried_again() -> None:
    shelf = Shelf()
    shelf.failing = {"a"}
    shelf.gate.clear()
    users = [asyncio.ensure_future(shelf.use("a")) for _ in range(3)]
    await settle()
    shelf.gate.set()
    results = await asyncio.gather(*users, return_exceptions=True)
    assert [type(result) for result in results] == [OSError] * 3
    assert shelf.models.state("a") is State.FAILED
    assert shelf.models.used == 0
    shelf.failing = set()
    await shelf.use("a")
    assert shelf.loads == ["a", "a"]


async def test_an_idle_model_goes_after_its_ttl_and_not_before() -> None:
    shelf = Shelf(ttl=60)
    await shelf.use("a")
    shelf.clock.advance(59)
    await shelf.models.expire()
    assert shelf.models.is_resident("a")
    shelf.clock.advance(1)
    await shelf.models.expire()
    assert shelf.unloads == ["a"]


async def test_a_leased_model_never_goes() -> None:
    shelf = Shelf(ttl=0, budget=10)
    async with shelf.models.lease("a"):
        shelf.clock.advance(1000)
        await shelf.models.expire()
        other = asyncio.ensure_future(shelf.use("b"))
        await settle()
        assert (shelf.unloads, shelf.loads) == ([], ["a"])
    await other
    assert shelf.unloads == ["a", "b"]


async def test_ttl_minus_one_keeps_for_ever() -> None:
    shelf = Shelf(ttl=NEVER)
    await shelf.use("a")
    shelf.clock.advance(1e9)
    await shelf.models.expire()
    assert shelf.models.is_resident("a")


async def test_room_is_made_by_the_least_recently_used() -> None:
    shelf = Shelf(budget=20)
    for name in ("a", "b", "a"):
        shelf.clock.advance(1)
        await shelf.use(name)
    await shelf.use("c")
    assert shelf.unloads == ["b"]
    assert shelf.models.used == 20


async def test_what_cannot_fit_alone_is_refused_with_the_arithmetic() -> None:
    shelf = Shelf(budget=20)
    with pytest.raises(OutOfMemory, match=r"needs 1,000 bytes and the budget is 20"):
        await shelf.use("huge")
    assert shelf.loads == []


async def test_a_request_waits_for_room_until_a_lease_ends() -> None:
    shelf = Shelf(budget=20)
    async with AsyncExitStack() as held:
        await held.enter_async_context(shelf.models.lease("a"))
        await held.enter_async_context(shelf.models.lease("b"))
        waiting = asyncio.ensure_future(shelf.use("c"))
        await settle()
        assert not waiting.done()
    await waiting
    assert shelf.models.is_resident("c")


async def test_a_request_waits_for_room_taken_by_a_load_that_then_fails() -> None:
    shelf = Shelf(budget=10)
    shelf.failing = {"a"}
    shelf.gate.clear()
    failing = asyncio.ensure_future(shelf.use("a"))
    await settle()
    waiting = asyncio.ensure_future(shelf.use("b"))
    await settle()
    shelf.gate.set()
    with pytest.raises(OSError, match="no such file"):
        await failing
    await waiting


async def test_a_model_that_does_not_unload_cleanly_harms_no_request() -> None:
    shelf = Shelf(ttl=0)
    shelf.stuck = {"a"}
    await shelf.use("a")
    assert not shelf.models.is_resident("a")
    await shelf.use("b")
    assert shelf.unloads == ["b"]


async def test_closing_unloads_everything() -> None:
    shelf = Shelf()
    await shelf.use("a")
    await shelf.use("b")
    await shelf.models.close()
    assert sorted(shelf.unloads) == ["a", "b"]
    assert shelf.models.used == 0
