"""The order of those who wait. Pure data: no asyncio, no clock of its own.

1. Level 0, by arrival.
2. What is overdue: tickets of level 1 or 2 that have waited `max_wait` of their level, in the order
   in which they became so.
3. Level 1: tickets whose model is in memory first. A ticket of level 2 joins level 1 so early that
   it has level 1's whole patience before it is overdue.
4. Level 2.

Within a level, and for level 1 within each half, keys take turns by start-time fair queueing
(see `fairness`): a ticket's tag is what its key has been served before; the smallest tag goes
first, ties by arrival. With one key, or without fairness, that is arrival.

Two exceptions keep an overloaded queue from doing nothing but load models. A model that has just
been loaded has a run of `max_run` turns, in which tickets for it that are not overdue may still go
before overdue ones for others. And no load is wasted: while a place stands empty because who is
first in order waits for a model, level 0 included, the first of the others may have it if the model
has come into memory and not been used since (`next_first_use`).

Bound. Let x be a ticket of level 1 or 2 that is overdue at d. After d only these go before x:
tickets of level 0; tickets overdue before x; at most `max_run`, or one, others for each model load
that is completed before x goes, and for each model whose run was unspent at d; tickets that share
the turn of one that may go; and, with more than one place, while x's model is not in memory,
tickets in the places that are not kept for it, which keep x waiting for no longer than its model
does. Proof: (1) precedes (2); within (2) order is by the moment of becoming overdue, which is fixed
at arrival; nothing else is taken before x but in a run or as the first use of a load, and a run has
`max_run` turns and is opened by a load alone, as is a first use. With `max_run` 0, one place and no
batches, nobody else passes x on account of its level or of what is in memory. A key that has all
the turns it may have (`max_per_key`) waits on account of itself, outside this bound.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import itemgetter

from services.runtime.scheduler.fairness import Fairness
from services.runtime.scheduler.lanes import Entry, Lane, Waiting
from services.runtime.scheduler.ticket import Policy, Ticket, cost_of, harmless
from services.runtime.urgency import Urgency


@dataclass(slots=True)
class Backlog:
    """Tickets that wait for one model, and what they say they cost."""

    count: int = 0
    cost: float = 0.0


class Line:
    """Tickets, and which of them goes next. Adding, taking and removing cost O(log n)."""

    def __init__(self, policy: Policy, is_ready: Callable[[str], bool]) -> None:
        _, normal, background = policy.max_wait
        if not 0 <= normal <= background:
            raise ValueError("max_wait of level 2 must be at least that of level 1, and that 0")
        self._policy = policy
        self._is_ready = is_ready
        self._join_after = background - normal if background < math.inf else math.inf
        self._lanes: tuple[dict[str, Lane], ...] = ({}, {}, {})
        self._joining: deque[Waiting] = deque()
        self._fairness = tuple(Fairness() for _ in self._lanes)
        self._runs: dict[str, int] = {}
        self._unused: set[str] = set()
        self._turns: dict[str, int] = {}
        self._parked: dict[str, list[Waiting]] = {}
        #: Tickets waiting, and what they cost by model, by the level they asked for.
        self.counts = [0, 0, 0]
        self.backlogs: tuple[dict[str, Backlog], ...] = ({}, {}, {})

    def __len__(self) -> int:
        return sum(self.counts)

    def add(self, waiting: Waiting) -> None:
        """Lets a ticket in, at the end of its level."""
        level = waiting.ticket.priority
        # First those who join: what is in a lane becomes overdue in the order in which it came.
        self._join(waiting.urgency.since)
        waiting.here = True
        self.counts[level] += 1
        backlog = self.backlogs[level].setdefault(waiting.ticket.model, Backlog())
        backlog.count += 1
        backlog.cost += cost_of(waiting.ticket)
        self._enter(waiting, level)
        if level == 2 and self._join_after < math.inf:
            if len(self._joining) > 2 * self.counts[2] + 64:
                self._joining = deque(each for each in self._joining if each.here)
            self._joining.append(waiting)

    def remove(self, waiting: Waiting) -> None:
        """Lets a ticket go that will not have a turn."""
        self._out(waiting, served=False)
        self._rest()

    def take(self, waiting: Waiting) -> None:
        """Gives a ticket its turn. `end` must follow."""
        self._out(waiting, served=True)
        self._fairness[waiting.level].serve(waiting.tag)
        self.begin(waiting.ticket)

    def begin(self, ticket: Ticket) -> None:
        """A ticket that did not wait has a turn. `end` must follow."""
        self._turns[ticket.key] = self._turns.get(ticket.key, 0) + 1
        self._unused.discard(ticket.model)
        if ticket.priority:
            self._runs[ticket.model] = self._runs.get(ticket.model, 0) + 1

    def end(self, ticket: Ticket, cost: float | None) -> None:
        """A turn has ended; `cost` is what it took, None where that is what its ticket said."""
        self._turns[ticket.key] -= 1
        if not self._turns[ticket.key]:
            del self._turns[ticket.key]
        if cost is not None and ticket.priority and self._policy.fair:
            difference = harmless(cost) - cost_of(ticket)
            self._fairness[ticket.priority].charge(ticket.key, difference)
        self._unpark(ticket.key)
        self._rest()

    def has_room(self, key: str) -> bool:
        """Whether the key may have another turn."""
        limit = self._policy.max_per_key
        return not limit or self._turns.get(key, 0) < limit

    def loaded(self, model: str) -> None:
        """The model has come into memory: its run begins."""
        self._runs[model] = 0
        self._unused.add(model)

    def next(self, now: float, without: Collection[str] = ()) -> Waiting | None:
        """Whose turn is next; None where nobody may have one. See the module for the order.

        Tickets for the models `without` are passed over.
        """
        self._join(now)
        urgent, normal, background = self._lanes
        if without:
            urgent, normal, background = (
                {model: lane for model, lane in lanes.items() if model not in without}
                for lanes in self._lanes
            )
        if (first := self._best(urgent.values())) is not None:
            return first
        if (overdue := self._overdue(normal.values(), now)) is not None:
            if self._is_ready(overdue.ticket.model):
                return overdue
            running = [lane for model, lane in normal.items() if self._has_run(model)]
            return self._best(running) or overdue
        if self._policy.affinity:
            ready = [lane for model, lane in normal.items() if self._is_ready(model)]
            if (warm := self._best(ready)) is not None:
                return warm
        return self._best(normal.values()) or self._best(background.values())

    def next_first_use(self, now: float) -> Waiting | None:
        """The next whose model is in memory, if that has not been used since it was loaded."""
        if not self._unused:
            return None
        cold = {model for lanes in self._lanes for model in lanes if not self._is_ready(model)}
        first = self.next(now, cold)
        return first if first is not None and first.ticket.model in self._unused else None

    def next_to_share(self, ticket: Ticket) -> Waiting | None:
        """The first in order that may share a turn with `ticket`: same model, same batch."""
        for lanes in self._lanes:
            lane = lanes.get(ticket.model)
            top = self._first(lane.first) if lane is not None else None
            if top is not None and top[2].ticket.batch == ticket.batch:
                return top[2]
        return None

    def of_model(self, model: str, now: float) -> Waiting | None:
        """The first in order among the tickets for one model."""
        self._join(now)
        urgent, normal, background = (
            [lanes[model]] if model in lanes else [] for lanes in self._lanes
        )
        return (
            self._best(urgent)
            or self._overdue(normal, now)
            or self._best(normal)
            or self._best(background)
        )

    def goes_first(self, model: str, other: Urgency, now: float) -> bool:
        """Whether a ticket for `model`, which is in memory, goes before work elsewhere.

        `other` is the urgency of work for a model that is not in memory and would take its place.
        """
        first = self.of_model(model, now)
        if first is None:
            return False
        mine, theirs = self.urgency(first).rank(now), other.rank(now)
        if theirs[0] == 1 and mine[0] in (1, 2):
            return mine < theirs or self._has_run(model)
        if theirs[0] == mine[0] == 2 and self._policy.affinity:
            return True
        return mine <= theirs

    @staticmethod
    def urgency(waiting: Waiting) -> Urgency:
        """How urgent a ticket is by now: a ticket of level 2 may have joined level 1."""
        urgency = waiting.urgency
        return Urgency(waiting.level, urgency.since, urgency.due)

    def of(self, model: str) -> list[Waiting]:
        """Everybody who waits for a model."""
        return [waiting for lanes in self._lanes if model in lanes for waiting in lanes[model]]

    def ordered(self, now: float) -> list[Waiting]:
        """Everybody, in the order in which they would go as things are. O(n log n)."""
        self._join(now)
        everybody = [
            (self._place(waiting, tag, now), waiting)
            for lanes in self._lanes
            for lane in lanes.values()
            for waiting, tag in lane.foreseen()
        ]
        return [waiting for _, waiting in sorted(everybody, key=itemgetter(0))]

    def _place(self, waiting: Waiting, tag: float, now: float) -> tuple[float, float, int]:
        if waiting.level == 0:
            return (0, 0, waiting.arrival)
        if waiting.level == 1 and waiting.urgency.due <= now:
            return (1, waiting.urgency.due, waiting.arrival)
        affine = waiting.level == 1 and self._policy.affinity
        warm = affine and self._is_ready(waiting.ticket.model)
        return (2 if warm else waiting.level + 2, tag, waiting.arrival)

    def _enter(self, waiting: Waiting, level: int) -> None:
        waiting.level = level
        lanes, model = self._lanes[level], waiting.ticket.model
        if model not in lanes:
            fair = self._policy.fair and level > 0
            lanes[model] = Lane(level, self._fairness[level] if fair else None)
        lanes[model].add(waiting)

    def _leave(self, waiting: Waiting, level: int, *, served: bool) -> None:
        lanes, model = self._lanes[level], waiting.ticket.model
        lanes[model].drop(waiting, served=served)
        if not lanes[model].count:
            del lanes[model]

    def _out(self, waiting: Waiting, *, served: bool) -> None:
        waiting.here = False
        self._leave(waiting, waiting.level, served=served)
        asked = waiting.ticket.priority
        self.counts[asked] -= 1
        backlog = self.backlogs[asked][waiting.ticket.model]
        backlog.count -= 1
        backlog.cost = max(0.0, backlog.cost - cost_of(waiting.ticket))
        if not backlog.count:  # From zero again, so that rounding never adds up.
            del self.backlogs[asked][waiting.ticket.model]

    def _rest(self) -> None:
        """Where nobody is busy, nobody has a claim on the past."""
        if not self._turns and not any(self.counts):
            for fairness in self._fairness:
                fairness.clear()

    def _join(self, now: float) -> None:
        """Moves tickets of level 2 that have waited long enough into level 1."""
        while self._joining:
            waiting = self._joining[0]
            if waiting.here and waiting.urgency.since + self._join_after > now:
                return
            self._joining.popleft()
            if waiting.here:
                waiting.level, waiting.parked = 1, False
                self._leave(waiting, 2, served=False)
                self._enter(waiting, 1)

    def _best(self, lanes: Iterable[Lane]) -> Waiting | None:
        first = None
        for lane in lanes:
            top = self._first(lane.first)
            if top is not None and (first is None or top < first):
                first = top
        return first[2] if first is not None else None

    def _overdue(self, lanes: Iterable[Lane], now: float) -> Waiting | None:
        first = None
        for lane in lanes:
            top = self._first(lane.first_overdue)
            if top is not None and top[0] <= now and (first is None or top < first):
                first = top
        return first[2] if first is not None else None

    def _has_run(self, model: str) -> bool:
        may_run = self._policy.affinity and self._is_ready(model)
        return may_run and self._runs.get(model, 0) < self._policy.max_run

    def _first(self, first: Callable[[], Entry | None]) -> Entry | None:
        """The first of a lane whose key may have another turn; others are parked meanwhile."""
        while (top := first()) is not None and self._policy.max_per_key:
            waiting = top[2]
            if self.has_room(waiting.ticket.key):
                break
            waiting.parked = True
            self._parked.setdefault(waiting.ticket.key, []).append(waiting)
        return top

    def _unpark(self, key: str) -> None:
        """Lets the key's tickets be seen again, now that it may have another turn."""
        for waiting in self._parked.pop(key, ()):
            if waiting.here and waiting.parked:
                waiting.parked = False
                self._lanes[waiting.level][waiting.ticket.model].show(waiting)
