"""The line by itself: fairness as its paper has it, size, and the corners of the scheduler."""

import asyncio
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import ModelLoadFailed
from services.runtime.scheduler import Policy, Scheduler, Ticket, Turn
from services.runtime.scheduler.lanes import Waiting
from services.runtime.scheduler.line import Line
from services.runtime.scheduler.ticket import Outcome, cost_of
from services.runtime.urgency import Urgency
from tests.fakes.clock import FakeClock
from tests.fakes.virtual import VirtualLoop, looking


def a_line(policy: Policy | None = None) -> Line:
    return Line(policy or Policy(), lambda model: True)


def waits(
    arrival: int, key: str = "", *, level: int = 1, since: float = 0.0, cost: float = 1.0
) -> Waiting:
    due = since + Policy().max_wait[level]
    return Waiting(Ticket("m", level, key, cost=cost), arrival, Urgency(level, since, due), 1.0)


COSTS = st.sampled_from((0.5, 1.0, 2.0, 8.0))
STEPS = st.lists(st.tuples(st.sampled_from("kl"), COSTS) | st.none(), min_size=4, max_size=60)


@given(STEPS)
@looking(200)
def test_what_two_waiting_keys_are_served_differs_by_no_more_than_a_ticket_of_each(
    steps: list[tuple[str, float] | None],
) -> None:
    """Theorem 1 of Goyal, Vin and Cheng, for every stretch in which both keys wait throughout."""
    line = a_line(Policy(max_wait=(math.inf, math.inf, math.inf)))
    arrivals = itertools.count()
    waiting = {"k": 0, "l": 0}
    served = {"k": 0.0, "l": 0.0}
    largest = {"k": 0.0, "l": 0.0}
    since_both: list[tuple[float, float]] = []
    for step in steps:
        if step is not None:
            key, cost = step
            waiting[key] += 1
            largest[key] = max(largest[key], cost)
            line.add(waits(next(arrivals), key, cost=cost))
        elif (first := line.next(0.0)) is not None:
            line.take(first)
            waiting[first.ticket.key] -= 1
            served[first.ticket.key] += first.ticket.cost
        if not all(waiting.values()):
            since_both.clear()
            continue
        since_both.append((served["k"], served["l"]))
        for k, l_ in since_both:
            difference = (served["k"] - k) - (served["l"] - l_)
            assert abs(difference) <= largest["k"] + largest["l"]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=60))
@looking(100)
def test_one_key_is_served_in_the_order_of_arrival_inside_a_level(
    steps: list[tuple[int, int]],
) -> None:
    line, taken, arrivals = a_line(), [], itertools.count()
    for level, count in steps:
        line.add(waits(next(arrivals), "k", level=level))
        for _ in range(count):
            if (first := line.next(0.0)) is not None:
                line.take(first)
                taken.append((first.level, first.arrival))
                line.end(first.ticket, None)
    for level in (0, 1, 2):
        order = [arrival for at, arrival in taken if at == level]
        assert order == sorted(order)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
@looking(100)
def test_no_cost_however_wrong_passes_for_free_or_bars_its_key(costs: list[float]) -> None:
    line = a_line()
    for arrival, cost in enumerate(costs):
        line.add(waits(arrival, "wrong", cost=cost))
    line.add(waits(len(costs), "right"))
    turns = []
    while (first := line.next(0.0)) is not None:
        assert 0 < cost_of(first.ticket) < math.inf
        line.take(first)
        turns.append(first.ticket.key)
    assert turns.index("right") <= 1
    assert turns.count("wrong") == len(costs)


@given(st.floats(), st.integers(0, 2))
@looking(100)
def test_no_turn_that_says_what_it_took_bars_its_key_for_ever(took: float, level: int) -> None:
    line = a_line()
    line.begin(Ticket("m", 1, "busy"))
    turn = Ticket("m", level, "wrong")
    line.begin(turn)
    line.end(turn, took)
    assert not line._fairness[0]._finish, "level 0 knows no fairness, and keeps no record of it"
    line.add(waits(0, "wrong"))
    assert 0 <= line._lanes[1]["m"]._keys["wrong"][0].tag < math.inf


def test_a_hundred_thousand_tickets_come_leave_and_go_without_a_trace() -> None:
    line = a_line(Policy(max_queued=10**6))
    count = 100_000
    everybody = [
        waits(number, f"key-{number % 97}", level=number % 3, since=number / 1000)
        for number in range(count)
    ]
    for waiting in everybody:
        line.add(waiting)
    assert len(line) == count
    for waiting in everybody[::2]:
        line.remove(waiting)
    assert len(line) == count / 2
    now, taken = count / 1000, 0
    while (first := line.next(now)) is not None:
        line.take(first)
        line.end(first.ticket, 2.0)
        taken += 1
    assert taken == count / 2
    assert (line.counts, line.backlogs) == ([0, 0, 0], ({}, {}, {}))
    assert line._lanes == ({}, {}, {})
    assert not line._joining
    assert not line._parked
    assert not line._turns
    assert not any(fairness._finish for fairness in line._fairness)


def test_what_leaves_from_the_middle_does_not_stay_in_memory() -> None:
    line = a_line()
    line.add(waits(0, "k"))
    for arrival in range(1, 10_000):
        waiting = waits(arrival, "k")
        line.add(waiting)
        line.remove(waiting)
    lane = line._lanes[1]["m"]
    assert len(lane._keys["k"]) < 200
    assert len(lane._tags) + len(lane._overdue) < 200


def test_a_key_that_has_all_its_turns_does_not_fill_the_heaps() -> None:
    line = a_line(Policy(max_per_key=1))
    turn = Ticket("m", 1, "k")
    line.begin(turn)
    line.add(waits(0, "k"))
    for _ in range(10_000):
        assert line.next(0.0) is None
        line.end(turn, None)
        line.begin(turn)
    assert sum(len(lane._tags) + len(lane._overdue) for lane in line._lanes[1].values()) < 300
    assert not any(len(parked) > 1 for parked in line._parked.values())


@dataclass
class Desk:
    """A scheduler, its memory and its callers."""

    policy: Policy
    slots: int = 1
    ready: set[str] = field(default_factory=lambda: {"a"})
    wanted: Mapping[str, Urgency] = field(default_factory=dict)
    heard: list[tuple[str, Outcome]] = field(default_factory=list)
    on_hold: str = ""

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.loop = VirtualLoop(self.clock)
        self.turns: dict[str, Turn] = {}
        self.gates: dict[str, asyncio.Future[float | None]] = {}
        self.scheduler = Scheduler(
            slots=self.slots, models=self, observer=self, policy=self.policy, clock=self.clock
        )

    def is_ready(self, model: str) -> bool:
        return model in self.ready

    def load_seconds(self, model: str) -> float:
        return 0.0 if model in self.ready else 1.0

    def hold(self, model: str) -> None:
        assert model in self.ready
        self.ready.discard(self.on_hold)

    def release(self, model: str) -> None:
        pass

    def demand(self, wanted: Mapping[str, Urgency]) -> None:
        self.wanted = dict(wanted)

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        self.heard.append((ticket.request_id, outcome))

    def queued(self, ticket: Ticket) -> None:
        pass

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        self.heard.append((ticket.request_id, outcome))

    def submit(
        self,
        name: str,
        model: str = "a",
        *,
        level: int = 1,
        key: str = "k",
        deadline: float | None = None,
        batch: str | None = None,
    ) -> "asyncio.Task[None]":
        ticket = Ticket(model, level, key, deadline, request_id=name, batch=batch)
        self.gates[name] = self.loop.create_future()

        async def work() -> None:
            async with self.scheduler.turn(ticket) as turn:
                self.turns[name] = turn
                turn.cost = await self.gates[name]

        task = self.loop.create_task(work())
        self.loop.settle()
        return task

    def finish(self, name: str, cost: float | None = None) -> None:
        self.loop.do(lambda: self.gates[name].set_result(cost))

    def close(self) -> None:
        """Nobody is left, and nothing went wrong unseen."""
        assert (self.scheduler.queued, self.scheduler.running, self.loop.unseen) == (0, 0, [])
        assert not asyncio.all_tasks(self.loop)
        self.loop.close()


def test_who_leaves_in_the_moment_of_the_grant_passes_the_turn_on() -> None:
    desk = Desk(Policy())
    desk.submit("working")
    leaver = desk.submit("leaver")
    desk.submit("next")
    desk.loop.do(lambda: desk.gates["working"].set_result(None), leaver.cancel)
    assert "next" in desk.turns
    desk.finish("next")
    desk.close()


def test_who_leaves_in_the_moment_of_the_refusal_keeps_nobody_from_hearing_of_it() -> None:
    desk = Desk(Policy(), ready=set())
    tasks = [desk.submit(name, "b") for name in ("leaver", "stayer")]
    desk.loop.do(tasks[0].cancel, lambda: desk.scheduler.failed("b", ModelLoadFailed("Try again.")))
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), ModelLoadFailed)
    desk.close()


def test_one_caller_may_cancel_two_tickets_at_once() -> None:
    desk = Desk(Policy())
    desk.submit("working")
    twins = [desk.submit(name) for name in ("one", "other")]
    desk.loop.do(*(twin.cancel for twin in twins))
    assert all(twin.cancelled() for twin in twins)
    assert desk.scheduler.queued == 0
    desk.finish("working")
    desk.close()


def test_no_expired_ticket_shares_a_turn() -> None:
    desk = Desk(Policy(max_batch=2))
    desk.submit("working")
    desk.submit("first", batch="x")
    late = desk.submit("late", batch="x", deadline=5.0)
    desk.clock.advance(6.0)
    desk.finish("working")
    assert late.exception() is not None
    assert ("late", "dispatched") not in desk.heard
    desk.finish("first")
    desk.close()


def test_nobody_shares_a_turn_with_a_model_that_others_have_been_promised_meanwhile() -> None:
    desk = Desk(Policy(max_batch=2))
    desk.submit("working")
    desk.submit("first", batch="x")
    desk.submit("second", batch="x")
    desk.on_hold = "a"
    desk.finish("working")
    assert set(desk.turns) == {"working", "first"}
    assert set(desk.wanted) == {"a"}
    desk.on_hold = ""
    desk.ready.add("a")
    desk.finish("first")
    desk.finish("second")
    desk.close()


def test_a_place_is_not_kept_for_a_model_whose_only_ticket_may_not_have_a_turn() -> None:
    desk = Desk(Policy(max_per_key=1), slots=2, ready=set())
    desk.submit("cold", "b")
    desk.submit("same key", "a")
    desk.submit("other key", "a", key="l")
    desk.ready.add("a")
    desk.loop.do(lambda: desk.scheduler.loaded("a"))
    assert set(desk.turns) == {"same key", "other key"}
    assert not desk.wanted
    desk.ready.add("b")
    for name in ("same key", "other key", "cold"):
        desk.finish(name)
    desk.close()


def test_a_queue_that_empties_without_a_turn_forgets_the_past() -> None:
    desk = Desk(Policy(), ready=set())
    leaver = desk.submit("leaver")
    desk.loop.do(leaver.cancel)
    assert not any(fairness._finish for fairness in desk.scheduler._line._fairness)
    desk.close()


def test_real_costs_that_are_no_numbers_spoil_no_estimate() -> None:
    for wrong in (math.nan, math.inf, -math.inf, -5.0, 0.0, 1e-320):
        desk = Desk(Policy())
        desk.submit("first")
        desk.submit("second")
        desk.clock.advance(1.0)
        desk.finish("first", wrong)
        desk.submit("third", key="l")
        desk.submit("fourth")
        assert 0.0 <= desk.scheduler.estimated_wait("m", 2) < 1e12
        assert all(0.0 <= entry.estimated_wait < 1e12 for entry in desk.scheduler.entries())
        for name in ("second", "third", "fourth"):
            desk.finish(name)
        desk.close()


def test_a_clock_that_jumps_back_keeps_nobody_waiting() -> None:
    desk = Desk(Policy())
    desk.clock.advance(1000.0)
    desk.submit("working")
    desk.submit("before", level=2)
    desk.clock.advance(-900.0)
    desk.submit("after", level=2)
    for name in ("working", "before", "after"):
        desk.finish(name)
    desk.close()
