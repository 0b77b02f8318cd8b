"""The scheduler against every order of events: a machine whose invariants have names."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Sequence
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
from services.runtime.scheduler import Policy, Ticket
from tests.fakes.callers import Request
from tests.fakes.clock import FakeClock
from tests.fakes.virtual import VirtualLoop, looking
from tests.unit.runtime.witness import Witness

pytestmark = pytest.mark.usefixtures("nothing_unseen")

MODELS = ("a", "b", "c")
KEYS = ("k", "l", "m")
# Binary fractions, so that no sum is rounded and every "at the same moment" is exact.
COSTS = (1.0, 0.5, 4.0, 0.0, -3.0, math.inf, -math.inf, math.nan, 1e-320, 1e12)
WHICH = st.integers(0, 9)


def one(requests: Sequence[Request], which: int) -> Request:
    return requests[which % len(requests)]


class Broken(Exception):
    """What a turn may fail with."""


class SchedulerMachine(RuleBasedStateMachine):
    """One scheduler over models that come, go and fail."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.loop = VirtualLoop(self.clock)
        self.paused = self.steady = False

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
        self.seen = Witness(slots, self.policy, self.clock, backwards=backwards)
        self.scheduler = self.seen.scheduler
        self.steady = True

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
        number = len(self.seen.requests)
        gate: asyncio.Future[float | None] = self.loop.create_future()
        task = self.loop.create_task(self.work(ticket))
        request = Request(ticket, number, self.clock(), task, gate)
        self.seen.add(request)
        self.do(settled=settled)

    async def work(self, ticket: Ticket) -> str:
        request = self.seen.by_ticket[ticket]
        try:
            async with self.scheduler.turn(ticket) as turn:
                assert request.turn is None, "no_duplicate_grant"
                request.turn = turn
                turn.cost = await request.gate
        except (OrfeonError, Broken) as error:
            return type(error).__name__
        return "done"

    @precondition(lambda self: self.seen.at_work())
    @rule(which=WHICH, cost=st.sampled_from((None, None, 1.0, 8.0, *COSTS)))
    def finish(self, which: int, cost: float | None) -> None:
        request = one(self.seen.at_work(), which)
        if not request.gate.done():
            self.do(lambda: request.gate.set_result(cost))

    @precondition(lambda self: self.seen.at_work())
    @rule(which=WHICH)
    def break_down(self, which: int) -> None:
        request = one(self.seen.at_work(), which)
        if not request.gate.done():
            self.do(lambda: request.gate.set_exception(Broken()))

    @precondition(lambda self: self.seen.requests)
    @rule(which=WHICH, again=st.booleans(), settled=st.booleans())
    def cancel(self, which: int, again: bool, settled: bool) -> None:
        task = one(self.seen.requests, which).task
        task.cancel()
        if again:
            task.cancel()
        self.do(settled=settled)

    @precondition(lambda self: self.seen.at_work() and self.seen.in_line())
    @rule(which=WHICH, who=WHICH, first=st.booleans(), passed=st.sampled_from((0.0, 1.0, 8.0)))
    def leave_at_the_moment_of_the_grant(
        self, which: int, who: int, first: bool, passed: float
    ) -> None:
        leave = one(self.seen.in_line(), who).task.cancel
        end = one(self.seen.at_work(), which).task.cancel
        self.clock.advance(passed)
        self.do(*((end, leave) if first else (leave, end)))

    @rule(model=st.sampled_from(MODELS), settled=st.booleans())
    def comes(self, model: str, settled: bool) -> None:
        if model not in self.seen.ready:
            self.seen.has(model)
            self.do(lambda: self.scheduler.loaded(model), settled=settled)

    @rule(model=st.sampled_from(MODELS))
    def goes(self, model: str) -> None:
        """It takes no new work, whether or not it is still in use."""
        self.seen.ready.discard(model)
        self.do(self.scheduler.changed)

    @rule(model=st.sampled_from(MODELS), leaver=st.integers(0, 5))
    def cannot_be_had(self, model: str, leaver: int) -> None:
        if model in self.seen.ready:
            return
        told = self.seen.in_line()
        if leaver < len(told):
            told[leaver].task.cancel()
        self.do(lambda: self.scheduler.failed(model, ModelLoadFailed("Try again.")))
        assert not any(each.waiting and each.ticket.model == model for each in told)

    @rule(seconds=st.sampled_from((0.25, 1.0, 4.0, 16.0, 2.0**20)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        # The bounds are looked at when something happens; in time, something always does.
        self.do(self.scheduler.changed)

    @precondition(lambda self: self.seen.backwards)
    @rule(seconds=st.sampled_from((0.25, 4.0, 2.0**21)))
    def time_jumps_back(self, seconds: float) -> None:
        self.clock.advance(-seconds)
        self.do()

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.paused = paused
        self.do(self.scheduler.pause if paused else self.scheduler.resume)

    @precondition(lambda self: len(self.seen.requests) > 20)
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
        for request in self.seen.requests:
            states = (request.waiting, request.ticket in running, request.task.done())
            assert sum(states) == 1, f"no_loss: {request.ticket} waits, runs, ended: {states}"
            assert (request.ticket in running) <= (request.turn is not None)
        assert self.scheduler.queued == len(self.seen.in_line())
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
        for request in self.seen.requests:
            if request.task.done() and not request.task.cancelled():
                assert request.task.result() in {"done", *promised}

    @precondition(settled)
    @invariant()
    def slots_never_exceeded(self) -> None:
        places = {id(turn.place): turn.place for turn in self.scheduler._turns}
        assert len(places) == self.scheduler._places <= self.seen.most
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
        waiting = Counter(request.ticket.priority for request in self.seen.in_line())
        for level, bound in enumerate(self.policy.max_queued_per_level):
            assert waiting[level] <= bound
        assert waiting[1] + waiting[2] <= self.policy.max_queued

    @precondition(lambda self: self.steady and not self.paused)
    @invariant()
    def work_conserving(self) -> None:
        """No place is free but those kept for models on their way, while someone may use it."""
        if self.scheduler._places + len(self.seen.wanted) < self.seen.slots:
            for request in self.seen.in_line():
                if self.seen.has_room(request.ticket.key):
                    assert request.ticket.model in self.seen.wanted
        if self.scheduler._places < self.seen.most and not self.seen.wanted:
            urgent = [each for each in self.seen.in_line() if each.ticket.priority == 0]
            assert not any(self.seen.has_room(each.ticket.key) for each in urgent)

    @precondition(lambda self: self.steady and not self.paused)
    @invariant()
    def demand_is_what_the_first_lack(self) -> None:
        places, now = self.scheduler._places, self.clock()
        assert places + len(self.seen.wanted) <= max(self.seen.slots, places + 1)
        waiting = [each for each in self.seen.in_line() if self.seen.has_room(each.ticket.key)]
        for model, urgency in self.seen.wanted.items():
            assert model not in self.seen.ready
            lacks = [each for each in waiting if each.ticket.model == model]
            assert lacks, "demand: someone waits for it"
            if self.seen.backwards:
                continue
            assert any(
                (urgency.level, urgency.since, urgency.due)
                == (each.level(now), each.since, each.due)
                for each in lacks
            )
            for other in waiting:
                if other.ticket.model in self.seen.ready:
                    assert any(
                        each.may_precede(other, now, affinity=self.policy.affinity)
                        for each in lacks
                    ), "affinity: nobody is kept waiting for a model that is less urgent"

    @precondition(settled)
    @invariant()
    def observer_balance(self) -> None:
        for request in self.seen.requests:
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
        assert not self.loop.unseen

    # The end.

    def teardown(self) -> None:
        if hasattr(self, "scheduler"):
            self.everything_ends()
            self.counts_return_to_zero()
        self.loop.close()

    def everything_ends(self) -> None:
        self.loop.do(self.scheduler.resume)
        for _ in range(3 * len(self.seen.requests) + 3):
            for model in set(self.seen.wanted) - self.seen.ready:
                self.comes(model, True)
            for request in self.seen.at_work():
                if not request.gate.done():
                    self.loop.do(partial(request.gate.set_result, None))
        assert all(each.task.done() for each in self.seen.requests), "no ticket waits for ever"

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
        assert not any(self.seen.holds.values())
        assert not self.seen.wanted
        assert not asyncio.all_tasks(self.loop)
        for request in self.seen.requests:
            assert len(request.heard) == (request.task.done() and bool(request.heard))


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = looking(120)
