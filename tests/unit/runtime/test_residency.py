import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from services.runtime.errors import ModelLoadFailed, OutOfMemory, ServiceUnavailable
from services.runtime.residency import (
    NEVER,
    Footprint,
    Ledger,
    Placement,
    Residency,
    State,
)
from services.runtime.residency.resident import NoListener, Reason
from services.runtime.urgency import Urgency
from tests.fakes.clock import FakeClock


class Shelf:
    """A residency under test, over models that are strings."""

    def __init__(self, ttl: float = NEVER, budget: int = 10_000, timeout: float = 600.0) -> None:
        self.clock = FakeClock()
        self.sizes = {"a": 10, "b": 10, "c": 10, "huge": 1000}
        self.loads: list[str] = []
        self.unloads: list[str] = []
        self.reasons: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing: dict[str, BaseException] = {}
        self.stuck: set[str] = set()
        self.ledger = Ledger({"cpu": budget}, clock=self.clock)
        self.models = self.another(ttl, timeout)

    def another(self, ttl: float = NEVER, timeout: float = 600.0) -> Residency[str]:
        """One more process on the same memory."""
        models = Residency(
            load=self.load,
            unload=self.unload,
            footprint=lambda name: Footprint(self.sizes[name]),
            observer=self,
            ttl=ttl,
            load_timeout=timeout,
            clock=self.clock,
        )
        models.memory = self.ledger.join("shelf", models)
        return models

    @property
    def used(self) -> int:
        return self.ledger.used()["cpu"]

    def state(self, name: str) -> State:
        return self.models.facts(name).state

    async def load(self, name: str, placement: Placement) -> str:
        assert placement.device == "cpu"
        self.loads.append(name)
        await self.gate.wait()
        if name in self.failing:
            raise self.failing[name]
        return name.upper()

    async def unload(self, model: str, placement: Placement) -> int:
        if model.lower() in self.stuck:
            raise OSError("device busy")
        self.unloads.append(model.lower())
        return 0

    def waited(self, name: str, level: int, seconds: float) -> None:
        pass

    def loaded(self, name: str, seconds: float, size: int) -> None:
        pass

    def load_failed(self, name: str) -> None:
        pass

    def unloaded(self, name: str, reason: Reason, unreturned: int) -> None:
        self.reasons.append(reason)

    async def use(self, name: str, urgency: Urgency | None = None) -> None:
        async with self.models.lease(name, urgency) as model:
            assert model == name.upper()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_callers_cause_one_load() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    users = [asyncio.ensure_future(shelf.use("a")) for _ in range(5)]
    await settle()
    assert shelf.state("a") is State.LOADING
    shelf.gate.set()
    await asyncio.gather(*users)
    assert shelf.loads == ["a"]
    assert shelf.state("a") is State.LOADED


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
    shelf.failing = {"a": OSError("no such file")}
    shelf.gate.clear()
    users = [asyncio.ensure_future(shelf.use("a")) for _ in range(3)]
    await settle()
    shelf.gate.set()
    results = await asyncio.gather(*users, return_exceptions=True)
    assert [type(result) for result in results] == [ModelLoadFailed] * 3
    assert shelf.state("a") is State.FAILED
    assert shelf.used == 0
    shelf.failing = {}
    await shelf.use("a")
    assert shelf.loads == ["a", "a"]


async def test_an_idle_model_goes_after_its_ttl_and_not_before() -> None:
    shelf = Shelf(ttl=60)
    await shelf.use("a")
    shelf.clock.advance(59)
    shelf.models.expire()
    await settle()
    assert shelf.models.is_ready("a")
    shelf.clock.advance(1)
    shelf.models.expire()
    await settle()
    assert shelf.unloads == ["a"]


async def test_an_idle_model_that_requests_wait_for_does_not_go_by_its_ttl() -> None:
    class Queue(NoListener):
        waiting = True

        def goes_first(self, model: str, other: Urgency) -> bool:
            return self.waiting

    shelf = Shelf(ttl=10)
    shelf.models.listener = queue = Queue()  # All its places are taken by another model.
    await shelf.use("a")
    shelf.clock.advance(100)
    shelf.models.expire()
    await settle()
    assert shelf.unloads == []

    queue.waiting = False
    shelf.models.expire()
    await settle()
    assert shelf.unloads == ["a"]


async def test_a_leased_model_never_goes() -> None:
    shelf = Shelf(ttl=0, budget=10)
    async with shelf.models.lease("a"):
        shelf.clock.advance(1000)
        shelf.models.expire()
        await settle()
        other = asyncio.ensure_future(shelf.use("b"))
        await settle()
        assert (shelf.unloads, shelf.loads) == ([], ["a"])
    await other
    await settle()
    assert shelf.unloads == ["a", "b"]


async def test_ttl_minus_one_keeps_for_ever() -> None:
    shelf = Shelf(ttl=NEVER)
    await shelf.use("a")
    shelf.clock.advance(1e9)
    shelf.models.expire()
    await settle()
    assert shelf.models.is_ready("a")


async def test_room_is_made_by_the_least_recently_used() -> None:
    shelf = Shelf(budget=20)
    for name in ("a", "b", "a"):
        shelf.clock.advance(1)
        await shelf.use(name)
    await shelf.use("c")
    assert shelf.unloads == ["b"]
    assert shelf.used == 20


async def test_what_cannot_fit_alone_is_refused_with_the_arithmetic() -> None:
    shelf = Shelf(budget=20)
    with pytest.raises(OutOfMemory, match=r"needs 1,000 bytes.*20 on cpu"):
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
    assert shelf.models.is_ready("c")


async def test_a_request_waits_for_room_taken_by_a_load_that_then_fails() -> None:
    shelf = Shelf(budget=10)
    shelf.failing = {"a": OSError("no such file")}
    shelf.gate.clear()
    failing = asyncio.ensure_future(shelf.use("a"))
    await settle()
    waiting = asyncio.ensure_future(shelf.use("b"))
    await settle()
    shelf.gate.set()
    with pytest.raises(ModelLoadFailed, match="could not be loaded"):
        await failing
    await waiting


async def test_a_model_that_does_not_unload_cleanly_harms_no_request() -> None:
    shelf = Shelf(ttl=0)
    shelf.stuck = {"a"}
    await shelf.use("a")
    await settle()
    assert not shelf.models.is_ready("a")
    await shelf.use("b")
    await settle()
    assert shelf.unloads == ["b"]


async def test_closing_unloads_everything() -> None:
    shelf = Shelf()
    await shelf.use("a")
    await shelf.use("b")
    await shelf.models.close()
    assert sorted(shelf.unloads) == ["a", "b"]
    assert shelf.used == 0


async def test_out_of_memory_while_loading_says_so_and_takes_nothing() -> None:
    shelf = Shelf()
    shelf.failing = {"a": MemoryError()}
    with pytest.raises(OutOfMemory, match="not enough memory"):
        await shelf.use("a")
    assert shelf.used == 0


async def test_a_load_that_hangs_fails_and_the_next_request_is_not_poisoned() -> None:
    shelf = Shelf(budget=20, timeout=0.01)
    shelf.gate.clear()
    with pytest.raises(ModelLoadFailed, match="within"):
        await shelf.use("a")
    assert shelf.used == 10  # It may still take memory.
    shelf.models._load_timeout = 60  # However slow this machine is.
    second = asyncio.ensure_future(shelf.use("a"))
    await settle()
    shelf.gate.set()
    await second
    await settle()
    assert (shelf.loads, shelf.unloads, shelf.used) == (["a", "a"], ["a"], 10)


async def test_two_processes_share_one_budget() -> None:
    shelf = Shelf(budget=10)
    other = shelf.another()
    await shelf.use("a")
    async with other.lease("b"):
        assert shelf.state("a") is State.UNLOADED
        waiting = asyncio.ensure_future(shelf.use("a"))
        await settle()
        assert shelf.state("a") is State.WAITING
        assert shelf.used == 10
    await waiting
    assert (shelf.reasons, shelf.used) == (["evicted", "evicted"], 10)


async def test_a_caller_who_leaves_while_waiting_for_memory_claims_it_no_more() -> None:
    shelf = Shelf(budget=10)
    async with shelf.models.lease("a"):
        waiting = asyncio.ensure_future(shelf.use("b"))
        await settle()
        waiting.cancel()
        await settle()
    await settle()
    assert (shelf.state("a"), shelf.state("b")) == (State.LOADED, State.UNLOADED)


async def test_preloading_takes_only_what_is_free() -> None:
    shelf = Shelf(budget=10)
    await shelf.use("a")
    with pytest.raises(OutOfMemory):
        async with shelf.models.lease("b", evict=False):
            pass
    assert shelf.state("a") is State.LOADED


async def test_a_pinned_model_neither_expires_nor_goes_for_others() -> None:
    shelf = Shelf(ttl=1, budget=10)
    await shelf.use("a")
    shelf.models.pin("a", True)
    shelf.clock.advance(100)
    shelf.models.expire()
    with pytest.raises(OutOfMemory):
        await shelf.use("b")
    shelf.models.pin("a", False)
    await shelf.use("b")
    assert shelf.unloads == ["a"]


async def test_unloading_on_request_waits_for_those_who_work_with_it() -> None:
    shelf = Shelf()
    async with shelf.models.lease("a"):
        going = asyncio.ensure_future(shelf.models.unload("a"))
        await settle()
        assert not going.done()
        assert not shelf.models.is_ready("a")
    await going
    assert (shelf.reasons, shelf.used) == (["asked"], 0)


async def test_unloading_on_request_does_not_hang_on_who_wanted_the_memory_and_left() -> None:
    shelf = Shelf(budget=10)
    async with shelf.models.lease("a"):
        urgent = asyncio.ensure_future(shelf.use("b", Urgency(0, 0.0)))
        await settle()
        going = asyncio.ensure_future(shelf.models.unload("a"))
        await settle()
        urgent.cancel()
        await settle()
    await settle()
    assert going.done()
    assert (shelf.reasons, shelf.used) == (["asked"], 0)


async def test_a_model_that_is_worked_with_is_not_torn_away_by_the_end() -> None:
    shelf = Shelf()
    async with shelf.models.lease("a"):
        await shelf.models.close(patience=0)
        assert shelf.unloads == []
    await settle()
    assert (shelf.unloads, shelf.used) == (["a"], 0)


async def test_who_waits_for_a_load_is_told_of_the_end_and_what_comes_goes_at_once() -> None:
    shelf = Shelf()
    shelf.gate.clear()
    user = asyncio.ensure_future(shelf.use("a"))
    await settle()
    closing = asyncio.ensure_future(shelf.models.close())
    with pytest.raises(ServiceUnavailable, match="shutting down"):
        await user
    shelf.gate.set()
    await closing
    assert (shelf.loads, shelf.unloads, shelf.used) == (["a"], ["a"], 0)


async def test_a_load_cut_off_by_the_end_of_the_process_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf()
    shelf.gate.clear()
    user = asyncio.ensure_future(shelf.use("a"))
    await settle()
    for task in asyncio.all_tasks() - {asyncio.current_task(), user}:
        task.cancel()  # As `asyncio.run` does at its end.
    await settle()
    assert caplog.records == []
    user.cancel()
    await settle()


async def test_work_that_is_not_pressing_waits_until_a_model_is_idle() -> None:
    shelf = Shelf(budget=10)
    async with shelf.models.lease("a"):
        normal = asyncio.ensure_future(shelf.use("b"))
        await settle()
        assert shelf.models.is_ready("a")
        await shelf.use("a")
        urgent = asyncio.ensure_future(shelf.use("c", Urgency(0, 0.0)))
        await settle()
        assert not shelf.models.is_ready("a")
    await asyncio.gather(normal, urgent)
    assert shelf.loads == ["a", "c", "b"]


async def test_facts_tell_where_a_model_is_and_until_when() -> None:
    shelf = Shelf(ttl=60)
    shelf.gate.clear()
    user = asyncio.ensure_future(shelf.use("a"))
    await settle()
    shelf.clock.advance(0.1)
    facts = shelf.models.facts("a")
    assert facts.state is State.LOADING
    assert 0 < facts.progress < 1
    shelf.gate.set()
    await user
    shelf.clock.advance(20)
    before = time.time()
    facts = shelf.models.facts("a")
    after = time.time()
    assert (facts.device, facts.bytes, facts.in_use) == ("cpu", 10, 0)
    assert facts.expires is not None
    assert before + 39.9 < facts.expires < after + 40.1
