"""What a scheduler is told and tells, checked at every word against the order it promises."""

import math
from collections import Counter
from collections.abc import Mapping

from services.runtime.scheduler import Outcome, Policy, Scheduler, Ticket
from services.runtime.scheduler.lanes import Waiting
from services.runtime.urgency import Urgency
from tests.fakes.callers import Request
from tests.fakes.clock import FakeClock


class Watched(Scheduler):
    """Tells whose place it is that tickets share."""

    leader: Ticket | None = None

    def _give(self, first: Waiting, now: float) -> None:
        self.leader = first.ticket
        super()._give(first, now)


class Witness:
    """Keeps the models of one scheduler, hears what becomes of its tickets, and remembers all."""

    def __init__(self, slots: int, policy: Policy, clock: FakeClock, *, backwards: bool) -> None:
        self.slots = slots
        self.most = slots + policy.urgent_slots
        self.policy = policy
        self.clock = clock
        self.backwards = backwards
        """Whether the clock may jump back, after which the order by age means nothing."""
        self.requests: list[Request] = []
        self.by_ticket: dict[Ticket, Request] = {}
        self.ready = {"a"}
        self.holds: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()
        self.unused: set[str] = set()
        self.wanted: Mapping[str, Urgency] = {}
        self.scheduler = Watched(
            slots=slots, models=self, observer=self, policy=policy, clock=clock
        )

    def add(self, request: Request) -> None:
        self.requests.append(request)
        self.by_ticket[request.ticket] = request

    def has(self, model: str) -> None:
        """A model has come into memory."""
        self.ready.add(model)
        self.unused.add(model)
        self.loads[model] += 1

    def at_work(self) -> list[Request]:
        return [each for each in self.requests if each.turn is not None and not each.task.done()]

    def in_line(self) -> list[Request]:
        return [each for each in self.requests if each.waiting]

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
