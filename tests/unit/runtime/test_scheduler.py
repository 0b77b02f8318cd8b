import asyncio
from typing import Any

import pytest

from services.runtime.errors import DeadlineExceeded, OutOfMemory, Overloaded, ServiceUnavailable
from services.runtime.scheduler import Outcome, Policy, Scheduler, Ticket, Turn
from tests.fakes.clock import FakeClock
from tests.fakes.models import FakeModels


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

    def __init__(
        self, slots: int = 1, policy: Policy | None = None, ready: set[str] | None = None
    ) -> None:
        self.clock = FakeClock()
        self.record = Record()
        self.started: list[str] = []
        self.models = FakeModels(ready)
        self.scheduler = Scheduler(
            slots=slots,
            models=self.models,
            policy=policy,
            observer=self.record,
            clock=self.clock,
        )
        self.gates: dict[str, asyncio.Event] = {}
        self.turns: dict[str, Turn] = {}

    def submit(
        self,
        name: str,
        priority: int = 1,
        model: str = "m",
        deadline: float | None = None,
        **more: Any,
    ) -> "asyncio.Task[None]":
        gate = self.gates[name] = asyncio.Event()

        async def work() -> None:
            ticket = Ticket(model, priority, deadline=deadline, request_id=name, **more)
            async with self.scheduler.turn(ticket) as turn:
                self.started.append(name)
                self.turns[name] = turn
                await gate.wait()

        return asyncio.ensure_future(work())

    async def finish(self, name: str) -> None:
        self.gates[name].set()
        await settle()


async def settle() -> None:
    """Lets every task that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


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


async def test_as_many_run_at_once_as_there_are_slots() -> None:
    desk = Desk(slots=2)
    tasks = [desk.submit(str(n)) for n in range(5)]
    await settle()
    assert (desk.started, desk.scheduler.running, desk.scheduler.queued) == (["0", "1"], 2, 3)
    await finish_all(desk)
    await asyncio.gather(*tasks)
    assert (desk.scheduler.running, desk.scheduler.queued, desk.record.waiting) == (0, 0, 0)


async def test_a_full_queue_refuses_with_the_estimated_wait() -> None:
    desk = Desk(policy=Policy(max_queued=2))
    first = desk.submit("first")
    await settle()
    desk.clock.advance(4)
    await desk.finish("first")  # The scheduler has learned: one item takes 4 s.
    tasks = [desk.submit(name) for name in ("running", "second", "third")]
    await settle()
    with pytest.raises(Overloaded) as refused:
        await desk.submit("too many")
    assert refused.value.retry_after == pytest.approx(4 * 3)
    assert refused.value.facts == {"queue_position": 2, "estimated_wait": pytest.approx(12)}
    assert desk.record.outcomes[-1] == "rejected_capacity"
    await finish_all(desk)
    await asyncio.gather(first, *tasks)


async def test_an_estimate_counts_what_goes_first_and_the_cost() -> None:
    desk = Desk()
    first = desk.submit("first", cost=2.0)
    await settle()
    desk.clock.advance(4)
    await desk.finish("first")
    tasks = [
        desk.submit(name, level, cost=cost)
        for name, level, cost in [("running", 1, 1), ("later", 2, 100), ("a", 1, 3), ("b", 0, 2)]
    ]
    await settle()
    desk.clock.advance(1)  # Of the 2 s that the running one takes.
    assert [desk.scheduler.estimated_wait("m", level) for level in (0, 1, 2)] == [5, 11, 211]
    shown = [(e.ticket.request_id, e.position, e.estimated_wait) for e in desk.scheduler.entries()]
    assert shown == [("running", 0, 0), ("b", 0, 1), ("a", 1, 5), ("later", 2, 11)]
    await finish_all(desk)
    await asyncio.gather(first, *tasks)


async def test_an_estimate_learns_while_its_ticket_waits_and_counts_loads() -> None:
    desk = Desk(ready={"m"})
    desk.models.seconds = 3.0
    tasks = [desk.submit(name) for name in ("first", "second", "third")]
    tasks.append(desk.submit("cold", 1, "other"))
    await settle()
    assert desk.scheduler.entries()[2].estimated_wait == 2  # A guess: nothing has ended yet.
    desk.clock.advance(10)
    await desk.finish("first")
    assert [e.estimated_wait for e in desk.scheduler.entries()] == [0, 10, 23]
    assert desk.scheduler.estimated_wait("m", 1) == 33
    await finish_all(desk)
    desk.models.ready = {"other"}
    desk.scheduler.loaded("other")
    await settle()
    await finish_all(desk)
    await asyncio.gather(*tasks)


async def test_urgent_work_has_room_when_the_rest_of_the_queue_is_full() -> None:
    desk = Desk(policy=Policy(max_queued=2, max_queued_per_level=(1, 2, 1)))
    tasks = [desk.submit("running"), desk.submit("a", 2), desk.submit("b", 1)]
    await settle()
    for level in (1, 2):
        with pytest.raises(Overloaded):
            await desk.submit("refused", level)
    tasks.append(desk.submit("urgent", 0))
    await settle()
    with pytest.raises(Overloaded):
        await desk.submit("urgent too", 0)
    await finish_all(desk)
    await asyncio.gather(*tasks)
    assert desk.started == ["running", "urgent", "b", "a"]


async def test_a_turn_waits_for_its_model_and_lets_an_urgent_one_go_first_meanwhile() -> None:
    desk = Desk(ready=set())
    tasks = [desk.submit("background", 2, "m")]
    await settle()
    assert desk.models.demanded["m"].level == 2
    tasks.append(desk.submit("urgent", 0, "m"))
    await settle()
    assert desk.models.demanded["m"].level == 0
    assert desk.scheduler.running == 0
    desk.models.ready = {"m"}
    desk.scheduler.loaded("m")
    await settle()
    assert (desk.started, desk.models.demanded) == (["urgent"], {})
    await finish_all(desk)
    await asyncio.gather(*tasks)
    assert desk.models.holds == {}


async def test_a_place_is_kept_for_a_model_that_is_coming_and_the_others_go_on() -> None:
    desk = Desk(slots=2, ready={"warm"})
    tasks = [desk.submit("cold", 0, "cold"), desk.submit("w1", 1, "warm")]
    tasks.append(desk.submit("w2", 1, "warm"))
    await settle()
    assert desk.started == ["w1"]
    assert set(desk.models.demanded) == {"cold"}
    desk.models.ready = {"cold", "warm"}
    desk.scheduler.loaded("cold")
    await settle()
    assert desk.started == ["w1", "cold"]
    await finish_all(desk)
    await asyncio.gather(*tasks)


async def test_the_model_of_the_next_is_asked_for_while_all_places_are_taken() -> None:
    desk = Desk(ready={"m"})
    tasks = [desk.submit("running"), desk.submit("next", 0, "other")]
    await settle()
    assert set(desk.models.demanded) == {"other"}
    desk.models.ready = {"other"}
    await finish_all(desk)
    await asyncio.gather(*tasks)
    assert desk.models.demanded == {}


async def test_a_model_that_fails_is_told_to_each_waiter_once() -> None:
    desk = Desk(ready={"fine"})
    tasks = [desk.submit("a", 1, "broken"), desk.submit("b", 2, "broken")]
    fine = desk.submit("fine", 2, "fine")
    await settle()
    desk.scheduler.failed("broken", OutOfMemory("No room.", retry_after=5.0))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [OutOfMemory] * 2
    assert results[0] is not results[1]
    await settle()
    assert desk.started == ["fine"]
    assert desk.record.outcomes[:2] == ["rejected_model"] * 2
    again = desk.submit("again", 1, "broken")
    await settle()
    await desk.finish("fine")
    assert set(desk.models.demanded) == {"broken"}
    again.cancel()
    await asyncio.gather(fine, again, return_exceptions=True)


async def test_tickets_that_batch_share_one_place() -> None:
    desk = Desk(policy=Policy(max_batch=3))
    tasks = [desk.submit("running")]
    await settle()
    tasks += [desk.submit(name, batch="short") for name in "abcd"]
    tasks.append(desk.submit("other", batch="long"))
    await settle()
    await desk.finish("running")
    assert desk.started == ["running", "a", "b", "c"]
    assert [t.request_id for t in desk.turns["b"].place.tickets] == ["a", "b", "c"]
    await desk.finish("a")
    await desk.finish("b")
    assert desk.started[4:] == []
    await desk.finish("c")
    assert desk.started[4:] == ["d"]
    await finish_all(desk)
    await asyncio.gather(*tasks)


async def test_a_paused_queue_takes_tickets_and_begins_none() -> None:
    desk = Desk()
    desk.scheduler.pause()
    task = desk.submit("waiting")
    await settle()
    assert (desk.scheduler.queued, desk.started) == (1, [])
    desk.scheduler.resume()
    await settle()
    assert desk.started == ["waiting"]
    await finish_all(desk)
    await task


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
        async with desk.scheduler.turn(Ticket("m", 1)):
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
