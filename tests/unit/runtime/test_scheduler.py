import asyncio
from collections.abc import Awaitable, Callable

import pytest

from services.runtime.errors import DeadlineExceeded, Overloaded, ServiceUnavailable
from services.runtime.scheduler import Outcome, Scheduler, Ticket
from tests.fakes.clock import FakeClock


class Record:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.waiting = 0
        self.outcomes: list[Outcome] = []

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    def queued(self, ticket: Ticket) -> None:
        self.waiting += 1

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        self.waiting -= 1
        self.outcomes.append(outcome)


class Desk:
    """A scheduler under test and the order in which it started work."""

    def __init__(self, slots: int = 1, max_queued: int = 100, resident: str = "") -> None:
        self.clock = FakeClock()
        self.record = Record()
        self.started: list[str] = []
        self.resident = resident
        self.scheduler = Scheduler(
            slots=slots,
            max_queued=max_queued,
            is_resident=lambda model: model == self.resident,
            observer=self.record,
            clock=self.clock,
        )
        self.gates: dict[str, asyncio.Event] = {}

    def submit(
        self, name: str, priority: int = 1, model: str = "m", deadline: float | None = None
    ) -> "asyncio.Task[None]":
        gate = self.gates[name] = asyncio.Event()

        async def work() -> None:
            ticket = Ticket(model, priority, deadline=deadline)
            async with self.scheduler.slot(ticket):
                self.started.append(name)
                await gate.wait()

        return asyncio.ensure_future(work())

    async def finish(self, name: str) -> None:
        self.gates[name].set()
        await settle()


async def settle() -> None:
    """Lets every task that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


Drain = Callable[[Desk], Awaitable[None]]


async def finish_all(desk: Desk) -> None:
    for _ in range(100):
        for name in list(desk.started):
            await desk.finish(name)


async def test_lower_levels_go_first_and_each_level_keeps_its_order() -> None:
    desk = Desk()
    tasks = [desk.submit("running")]
    await settle()
    for name, level in [("c1", 2), ("b1", 1), ("a1", 0), ("b2", 1), ("a2", 0), ("c2", 2)]:
        tasks.append(desk.submit(name, level))
    await settle()
    await finish_all(desk)
    await asyncio.gather(*tasks)
    assert desk.started == ["running", "a1", "a2", "b1", "b2", "c1", "c2"]


@pytest.mark.parametrize(("level", "first"), [(0, "cold"), (1, "warm"), (2, "cold")])
async def test_only_level_1_prefers_models_in_memory(level: int, first: str) -> None:
    desk = Desk(resident="loaded")
    tasks = [desk.submit("running")]
    await settle()
    tasks += [desk.submit("cold", level, "unloaded"), desk.submit("warm", level, "loaded")]
    await settle()
    await desk.finish("running")
    assert desk.started[1] == first
    await finish_all(desk)
    await asyncio.gather(*tasks)


async def test_as_many_run_at_once_as_there_are_slots() -> None:
    desk = Desk(slots=2)
    tasks = [desk.submit(str(n)) for n in range(5)]
    await settle()
    assert (desk.started, desk.scheduler.running, desk.scheduler.queued) == (["0", "1"], 2, 3)
    await finish_all(desk)
    await asyncio.gather(*tasks)
    assert (desk.scheduler.running, desk.scheduler.queued, desk.record.waiting) == (0, 0, 0)


async def test_a_full_queue_refuses_with_the_estimated_wait() -> None:
    desk = Desk(max_queued=2)
    first = desk.submit("first")
    await settle()
    desk.clock.advance(4)
    await desk.finish("first")  # The scheduler has learned: one item takes 4 s.
    tasks = [desk.submit(name) for name in ("running", "second", "third")]
    await settle()
    with pytest.raises(Overloaded) as refused:
        await desk.submit("too many")
    assert refused.value.retry_after == pytest.approx(4 * 3)
    assert desk.record.outcomes[-1] == "rejected_capacity"
    await finish_all(desk)
    await asyncio.gather(first, *tasks)


async def test_a_cancelled_request_leaves_the_queue_and_the_next_goes() -> None:
    desk = Desk()
    tasks = [desk.submit(name) for name in ("running", "leaver", "stayer")]
    await settle()
    tasks[1].cancel()
    await settle()
    assert desk.scheduler.queued == 1
    assert desk.record.outcomes[-1] == "evicted_cancelled"
    await desk.finish("running")
    assert desk.started == ["running", "stayer"]
    await desk.finish("stayer")
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_turn_given_to_a_caller_who_leaves_in_that_moment_is_passed_on() -> None:
    desk = Desk()
    tasks = [desk.submit(name) for name in ("running", "leaver", "stayer")]
    await settle()
    desk.gates["running"].set()
    await asyncio.sleep(0)  # The slot is released and granted to the leaver, who has not woken yet.
    tasks[1].cancel()
    await settle()
    assert desk.started[-1] == "stayer"
    assert desk.scheduler.running == 1
    await desk.finish("stayer")
    await asyncio.gather(*tasks, return_exceptions=True)
    assert desk.scheduler.running == 0


async def test_expired_work_is_dropped_before_it_starts() -> None:
    desk = Desk()
    running = desk.submit("running")
    await settle()
    late = desk.submit("late", deadline=desk.clock() + 1000)
    await settle()
    desk.clock.advance(1001)
    await desk.finish("running")
    with pytest.raises(DeadlineExceeded):
        await late
    assert desk.started == ["running"]
    assert (desk.scheduler.running, desk.record.waiting) == (0, 0)
    await running


async def test_a_deadline_that_passes_in_the_queue_ends_the_wait() -> None:
    desk = Desk()
    running = desk.submit("running")
    await settle()
    with pytest.raises(DeadlineExceeded):
        await desk.submit("late", deadline=desk.clock())
    assert desk.record.outcomes[-1] == "evicted_deadline"
    await desk.finish("running")
    await running


async def test_expired_work_does_not_start_even_where_a_slot_is_free() -> None:
    desk = Desk()
    with pytest.raises(DeadlineExceeded):
        await desk.submit("late", deadline=desk.clock() - 1)
    assert desk.started == []


async def test_a_failing_request_gives_its_slot_back() -> None:
    desk = Desk()
    with pytest.raises(ZeroDivisionError):
        async with desk.scheduler.slot(Ticket("m", 1)):
            raise ZeroDivisionError
    assert desk.scheduler.running == 0


async def test_draining_refuses_new_work_and_finishes_what_waits() -> None:
    desk = Desk()
    tasks = [desk.submit(name) for name in ("running", "waiting")]
    await settle()
    desk.scheduler.drain()
    with pytest.raises(ServiceUnavailable):
        await desk.submit("late")
    await finish_all(desk)
    await asyncio.gather(*tasks)
    assert desk.started == ["running", "waiting"]


async def test_position_counts_those_ahead() -> None:
    desk = Desk()
    tasks = [desk.submit("running"), desk.submit("normal"), desk.submit("urgent", 0)]
    await settle()
    ticket = Ticket("m", 1)

    async def wait() -> None:
        async with desk.scheduler.slot(ticket):
            pass

    tasks.append(asyncio.ensure_future(wait()))
    await settle()
    assert desk.scheduler.position(ticket) == 2
    await finish_all(desk)
    await asyncio.gather(*tasks)
