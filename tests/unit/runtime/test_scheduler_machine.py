"""The scheduler against every order of events: a machine whose invariants have names."""

import asyncio
import gc
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from services.runtime.errors import (
    DeadlineExceeded,
    ModelLoadFailed,
    OrfeonError,
    Overloaded,
    ServiceUnavailable,
)
from services.runtime.scheduler import Outcome, Policy, Scheduler, Ticket
from services.runtime.scheduler.lanes import Waiting
from services.runtime.urgency import Urgency
from tests.fakes.callers import Request
from tests.fakes.clock import FakeClock
from tests.fakes.virtual import VirtualLoop, looking

MODELS = ("a", "b", "c")
KEYS = ("k", "l", "m")
# Binary fractions, so that no sum is rounded and every "at the same moment" is exact.
COSTS = (1.0, 0.5, 4.0, 0.0, -3.0, math.inf, -math.inf, math.nan, 1e-320, 1e12)
UNSEEN: list[list[str]] = []
WHICH = st.integers(0, 9)


def one(requests: Sequence[Request], which: int) -> Request:
    return requests[which % len(requests)]


class Broken(Exception):
    """What a turn may fail with."""


class Watched(Scheduler):
    """Tells whose place it is that tickets share."""

    leader: Ticket | None = None

    def _give(self, first: Waiting, now: float) -> None:
        self.leader = first.ticket
        super()._give(first, now)


class SchedulerMachine(RuleBasedStateMachine):
    """One scheduler over models that come, go and fail; the machine is its memory and observer."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.unseen: list[str] = []
        UNSEEN.append(self.unseen)
        self.loop = VirtualLoop(self.clock, self.unseen)
        self.requests: list[Request] = []
        self.by_ticket: dict[Ticket, Request] = {}
        self.ready = {"a"}
        self.holds: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()
        self.unused: set[str] = set()
        self.wanted: Mapping[str, Urgency] = {}
        self.paused = self.backwards = self.steady = False

    @initialize(
        slots=st.integers(1, 3),
        urgent=st.sampled_from((0, 0, 1, 2)),
        max_batch=st.integers(1, 3),
        max_per_key=st.sampled_from((0, 0, 1, 2)),
        fair=st.booleans(),
        affinity=st.booleans(),
        max_run=st.integers(0, 2),
        patience=st.sampled_from(
            ((4.0, 16.0), (0.0, 0.0), (4.0, 4.0), (0.0, 8.0), (4.0, math.inf), (math.inf,) * 2)
        ),
        bounds=st.sampled_from(((128, (64, 128, 128)), (2, (2, 2, 1)), (3, (1, 1, 3)))),
        backwards=st.sampled_from((False, False, False, True)),
    )
    def begin(
        self,
        slots: int,
        urgent: int,
        max_batch: int,
        max_per_key: int,
        fair: bool,
        affinity: bool,
        max_run: int,
        patience: tuple[float, float],
        bounds: tuple[int, tuple[int, int, int]],
        backwards: bool,
    ) -> None:
        self.slots = slots
        self.most = slots + urgent
        self.backwards = backwards
        self.policy = Policy(
            max_wait=(math.inf, *patience),
            max_run=max_run,
            affinity=affinity,
            fair=fair,
            max_queued=bounds[0],
            max_queued_per_level=bounds[1],
            max_per_key=max_per_key,
            urgent_slots=urgent,
            max_batch=max_batch,
        )
        self.scheduler = Watched(
            slots=slots, models=self, observer=self, policy=self.policy, clock=self.clock
        )
        self.steady = True

    # What the scheduler knows as `Models`.

    def is_ready(self, model: str) -> bool:
        return model in self.ready

    def load_seconds(self, model: str) -> float:
        return 0.0 if model in self.ready else 1.0

    def hold(self, model: str) -> None:
        assert model in self.ready, "a turn began without its model"
        self.holds[model] += 1

    def release(self, model: str) -> None:
        self.holds[model] -= 1
        assert self.holds[model] >= 0

    def demand(self, wanted: Mapping[str, Urgency]) -> None:
        self.wanted = dict(wanted)

    # What the scheduler knows as `Observer`.

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        self.by_ticket[ticket].heard.append(outcome)
        if outcome == "dispatched":
            self.unused.discard(ticket.model)
        if outcome == "rejected_capacity":
            waiting = Counter(request.ticket.priority for request in self.in_line())
            shared = ticket.priority and waiting[1] + waiting[2] >= self.policy.max_queued
            own = waiting[ticket.priority] >= self.policy.max_queued_per_level[ticket.priority]
            assert own or shared, "bounds: level 0's room is its own"

    def queued(self, ticket: Ticket) -> None:
        request = self.by_ticket[ticket]
        request.queued += 1
        request.waiting = True
        request.since = self.clock()
        _, normal, background = self.policy.max_wait
        request.due = request.since + self.policy.max_wait[ticket.priority]
        if background < math.inf:
            request.joins = request.since + background - normal

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        request = self.by_ticket[ticket]
        assert request.waiting, "a ticket left twice"
        request.waiting = False
        request.heard.append(outcome)
        if outcome == "dispatched":
            self.check_dispatch(request)

    # The order, at the moment of each dispatch.

    def has_room(self, key: str) -> bool:
        turns = sum(turn.ticket.key == key for turn in self.scheduler._turns)
        return not self.policy.max_per_key or turns < self.policy.max_per_key

    def check_dispatch(self, chosen: Request) -> None:
        now = self.clock()
        ticket = chosen.ticket
        deadline = ticket.deadline
        assert deadline is None or not deadline <= now, "expired_work_never_starts"
        assert self.has_room(ticket.key), "max_per_key"
        assert ticket.model in self.ready, "levels: only models in memory have turns"
        shares = self.scheduler.leader is not ticket
        beyond = self.scheduler._places > self.slots
        assert shares or not (ticket.priority and beyond), "only level 0 passes the slots"
        for other in self.requests:
            if other.waiting and self.has_room(other.ticket.key) and not self.backwards:
                self.check_pair(chosen, other, shares, now)
        if not shares:
            self.unused.discard(ticket.model)

    def check_pair(self, chosen: Request, other: Request, shares: bool, now: float) -> None:
        ready = other.ticket.model in self.ready
        level, others = chosen.level(now), other.level(now)
        passes = other.overdue(now) and level and not chosen.goes_overdue(other, now)
        # A place is kept for a model on its way; the other places need not stand still.
        if passes and not shares and (ready or self.slots == 1):
            load = (chosen.ticket.model, self.loads[chosen.ticket.model])
            other.passed_by[load] += 1
            first = chosen.ticket.model in self.unused
            bound = self.policy.max_run if self.policy.affinity else 0
            assert first or other.passed_by[load] <= bound, "no_starvation_past_the_bound"
        if not ready:
            kept = others == 0 and level and self.slots == 1 and not shares
            assert not kept or chosen.ticket.model in self.unused, "one_turn_before_cold_level_0"
            return
        if not shares:
            assert not (others == 0 and level), "levels: level 0 goes first"
            assert not (others == 1 and level == 2), "levels: level 1 goes before level 2"
        same_level = chosen.ticket.priority == other.ticket.priority
        same_key = chosen.ticket.key == other.ticket.key
        in_line = same_key or not (self.policy.fair or shares)
        if same_level and in_line and chosen.ticket.model == other.ticket.model:
            assert chosen.number < other.number, "order_within_level"
        if not shares and level == others == 0:
            assert chosen.number < other.number, "order_within_level: level 0 is by arrival"

    # What happens.

    @rule(
        level=st.sampled_from((0, 1, 1, 1, 2, 2)),
        key=st.sampled_from(KEYS),
        model=st.sampled_from(MODELS),
        deadline=st.sampled_from((None, None, None, 0.0, 1.0, 8.0, math.inf, math.nan)),
        cost=st.sampled_from(COSTS),
        batch=st.sampled_from((None, "x", "x", "y")),
        settled=st.booleans(),
    )
    def submit(
        self,
        level: int,
        key: str,
        model: str,
        deadline: float | None,
        cost: float,
        batch: str | None,
        settled: bool,
    ) -> None:
        until = None if deadline is None else self.clock() + deadline
        ticket = Ticket(model, level, key, until, cost, batch=batch)
        number = len(self.requests)
        gate: asyncio.Future[float | None] = self.loop.create_future()
        task = self.loop.create_task(self.work(ticket))
        request = Request(ticket, number, self.clock(), task, gate)
        self.requests.append(request)
        self.by_ticket[ticket] = request
        self.do(settled=settled)

    async def work(self, ticket: Ticket) -> str:
        request = self.by_ticket[ticket]
        try:
            async with self.scheduler.turn(ticket) as turn:
                assert request.turn is None, "no_duplicate_grant"
                request.turn = turn
                turn.cost = await request.gate
        except (OrfeonError, Broken) as error:
            return type(error).__name__
        return "done"

    def at_work(self) -> list[Request]:
        return [each for each in self.requests if each.turn is not None and not each.task.done()]

    def in_line(self) -> list[Request]:
        return [each for each in self.requests if each.waiting]

    @precondition(lambda self: self.at_work())
    @rule(which=WHICH, cost=st.sampled_from((None, None, 1.0, 8.0, *COSTS)))
    def finish(self, which: int, cost: float | None) -> None:
        request = one(self.at_work(), which)
        if not request.gate.done():
            self.do(lambda: request.gate.set_result(cost))

    @precondition(lambda self: self.at_work())
    @rule(which=WHICH)
    def break_down(self, which: int) -> None:
        request = one(self.at_work(), which)
        if not request.gate.done():
            self.do(lambda: request.gate.set_exception(Broken()))

    @precondition(lambda self: self.requests)
    @rule(which=WHICH, again=st.booleans(), settled=st.booleans())
    def cancel(self, which: int, again: bool, settled: bool) -> None:
        task = one(self.requests, which).task
        task.cancel()
        if again:
            task.cancel()
        self.do(settled=settled)

    @precondition(lambda self: self.at_work() and self.in_line())
    @rule(which=WHICH, who=WHICH, first=st.booleans(), passed=st.sampled_from((0.0, 1.0, 8.0)))
    def leave_at_the_moment_of_the_grant(
        self, which: int, who: int, first: bool, passed: float
    ) -> None:
        leave = one(self.in_line(), who).task.cancel
        end = one(self.at_work(), which).task.cancel
        self.clock.advance(passed)
        self.do(*((end, leave) if first else (leave, end)))

    @rule(model=st.sampled_from(MODELS), settled=st.booleans())
    def comes(self, model: str, settled: bool) -> None:
        if model not in self.ready:
            self.ready.add(model)
            self.unused.add(model)
            self.loads[model] += 1
            self.do(lambda: self.scheduler.loaded(model), settled=settled)

    @rule(model=st.sampled_from(MODELS))
    def goes(self, model: str) -> None:
        """It takes no new work, whether or not it is still in use."""
        self.ready.discard(model)
        self.do(self.scheduler.changed)

    @rule(model=st.sampled_from(MODELS), leaver=st.integers(0, 5))
    def cannot_be_had(self, model: str, leaver: int) -> None:
        if model in self.ready:
            return
        told = self.in_line()
        if leaver < len(told):
            told[leaver].task.cancel()
        self.do(lambda: self.scheduler.failed(model, ModelLoadFailed("Try again.")))
        assert not any(each.waiting and each.ticket.model == model for each in told)

    @rule(seconds=st.sampled_from((0.25, 1.0, 4.0, 16.0, 2.0**20)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        # The bounds are looked at when something happens; in time, something always does.
        self.do(self.scheduler.changed)

    @precondition(lambda self: self.backwards)
    @rule(seconds=st.sampled_from((0.25, 4.0, 2.0**21)))
    def time_jumps_back(self, seconds: float) -> None:
        self.clock.advance(-seconds)
        self.do()

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.paused = paused
        self.do(self.scheduler.pause if paused else self.scheduler.resume)

    @precondition(lambda self: len(self.requests) > 20)
    @rule()
    def drain(self) -> None:
        self.scheduler.drain()

    def do(self, *actions: Callable[[], object], settled: bool = True) -> None:
        """Does things in one moment, and lets what follows happen or leaves that to the next."""
        self.steady = settled
        if settled:
            self.loop.do(*actions)
        else:
            for action in actions:
                self.loop.call_soon(action)

    # What always holds.

    def settled(self) -> bool:
        """Whether all that could go on has gone on."""
        return self.steady

    @precondition(settled)
    @invariant()
    def no_loss(self) -> None:
        running = {turn.ticket for turn in self.scheduler._turns}
        for request in self.requests:
            states = (request.waiting, request.ticket in running, request.task.done())
            assert sum(states) == 1, f"no_loss: {request.ticket} waits, runs, ended: {states}"
            assert (request.ticket in running) <= (request.turn is not None)
        assert self.scheduler.queued == len(self.in_line())
        assert len(self.scheduler.entries()) == self.scheduler.queued + self.scheduler.running

    @precondition(settled)
    @invariant()
    def errors_are_the_ones_promised(self) -> None:
        promised = {
            each.__name__
            for each in (
                Broken, DeadlineExceeded, ModelLoadFailed, Overloaded, ServiceUnavailable
            )
        }  # fmt: skip
        for request in self.requests:
            if request.task.done() and not request.task.cancelled():
                assert request.task.result() in {"done", *promised}

    @precondition(settled)
    @invariant()
    def slots_never_exceeded(self) -> None:
        places = {id(turn.place): turn.place for turn in self.scheduler._turns}
        assert len(places) == self.scheduler._places <= self.most
        for place in places.values():
            assert 1 <= len(place.tickets) <= self.policy.max_batch
            assert len({(ticket.model, ticket.batch) for ticket in place.tickets}) == 1

    @precondition(settled)
    @invariant()
    def max_per_key_respected(self) -> None:
        turns = Counter(turn.ticket.key for turn in self.scheduler._turns)
        assert not self.policy.max_per_key or max(turns.values(), default=0) <= (
            self.policy.max_per_key
        )

    @precondition(settled)
    @invariant()
    def bounds(self) -> None:
        waiting = Counter(request.ticket.priority for request in self.in_line())
        for level, bound in enumerate(self.policy.max_queued_per_level):
            assert waiting[level] <= bound
        assert waiting[1] + waiting[2] <= self.policy.max_queued

    @precondition(lambda self: self.steady and not self.paused)
    @invariant()
    def work_conserving(self) -> None:
        """No place is free but those kept for models on their way, while someone may use it."""
        if self.scheduler._places + len(self.wanted) < self.slots:
            for request in self.in_line():
                if self.has_room(request.ticket.key):
                    assert request.ticket.model in self.wanted
        if self.scheduler._places < self.most and not self.wanted:
            urgent = [each for each in self.in_line() if each.ticket.priority == 0]
            assert not any(self.has_room(each.ticket.key) for each in urgent)

    @precondition(lambda self: self.steady and not self.paused)
    @invariant()
    def demand_is_what_the_first_lack(self) -> None:
        places, now = self.scheduler._places, self.clock()
        assert places + len(self.wanted) <= max(self.slots, places + 1)
        waiting = [each for each in self.in_line() if self.has_room(each.ticket.key)]
        for model, urgency in self.wanted.items():
            assert model not in self.ready
            lacks = [each for each in waiting if each.ticket.model == model]
            assert lacks, "demand: someone waits for it"
            if self.backwards:
                continue
            assert any(
                (urgency.level, urgency.since, urgency.due)
                == (each.level(now), each.since, each.due)
                for each in lacks
            )
            for other in waiting:
                if other.ticket.model in self.ready:
                    assert any(
                        each.may_precede(other, now, affinity=self.policy.affinity)
                        for each in lacks
                    ), "affinity: nobody is kept waiting for a model that is less urgent"

    @precondition(settled)
    @invariant()
    def observer_balance(self) -> None:
        for request in self.requests:
            assert request.queued <= 1
            assert len(request.heard) <= 1
            if request.task.done() and request.queued:
                assert len(request.heard) == 1

    @precondition(settled)
    @invariant()
    def estimates_are_numbers(self) -> None:
        for level in (0, 1, 2):
            assert 0 <= self.scheduler.estimated_wait("a", level) < math.inf

    @precondition(settled)
    @invariant()
    def nothing_goes_wrong_unseen(self) -> None:
        assert not self.unseen

    # The end.

    def teardown(self) -> None:
        if hasattr(self, "scheduler"):
            self.everything_ends()
            self.counts_return_to_zero()
        self.loop.close()

    def everything_ends(self) -> None:
        self.loop.do(self.scheduler.resume)
        for _ in range(3 * len(self.requests) + 3):
            for model in set(self.wanted) - self.ready:
                self.comes(model, True)
            for request in self.at_work():
                if not request.gate.done():
                    self.loop.do(partial(request.gate.set_result, None))
        assert all(request.task.done() for request in self.requests), "no ticket waits for ever"

    def counts_return_to_zero(self) -> None:
        scheduler, line = self.scheduler, self.scheduler._line
        line.next(2.0**50)
        assert (scheduler.queued, scheduler.running, scheduler._places) == (0, 0, 0)
        assert (line.counts, line.backlogs) == ([0, 0, 0], ({}, {}, {}))
        assert line._lanes == ({}, {}, {})
        assert not line._joining
        assert not line._parked
        assert not line._turns
        assert not any(fairness._finish for fairness in line._fairness)
        assert not any(self.holds.values())
        assert not self.wanted
        assert not asyncio.all_tasks(self.loop)
        for request in self.requests:
            assert len(request.heard) == (request.task.done() and bool(request.heard))


@pytest.fixture(autouse=True)
def _nothing_unseen() -> Iterator[None]:
    UNSEEN.clear()
    yield
    gc.collect()
    assert not any(UNSEEN)


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = looking(120)
