"""Who works when: a bounded queue in front of a fixed number of turns, on asyncio.

The order is the `Line`'s. A ticket begins its turn only when a place is free and its model is in
memory, so waiting for memory holds no place, and an urgent ticket that comes meanwhile goes first.
What the next turns lack is asked of the memory (`Models.demand`).
"""

import asyncio
import copy
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.runtime.errors import (
    DeadlineExceeded,
    OrfeonError,
    Overloaded,
    ServiceUnavailable,
)
from services.runtime.scheduler.estimate import Estimates
from services.runtime.scheduler.lanes import Waiting
from services.runtime.scheduler.line import Line
from services.runtime.scheduler.ticket import Entry, Models, Observer, Outcome, Policy, Ticket
from services.runtime.urgency import Urgency


@dataclass(eq=False, slots=True)
class Place:
    """One of the places that turns are had in; tickets that batch share one."""

    tickets: list[Ticket] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Turn:
    """A ticket's turn. `place.tickets` are those that share it, the first in order first."""

    ticket: Ticket
    place: Place
    began: float
    cost: float | None = None
    """What the turn really took, in the unit of the tickets' costs; set it where it is known."""


@dataclass(eq=False, slots=True)
class _Queued(Waiting):
    """A ticket in the line, and how it will learn of its turn."""

    turn: "asyncio.Future[Turn]" = field(kw_only=True)


class Scheduler:
    """Gives turns; see `Line` for the order and `Policy` for the bounds.

    `clock` is in seconds and only its differences count.
    """

    def __init__(
        self,
        *,
        slots: int,
        models: Models,
        observer: Observer,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = slots
        self._models = models
        self._observer = observer
        self._policy = policy or Policy()
        self._clock = clock
        self._line = Line(self._policy, models.is_ready)
        self._estimates = Estimates()
        self._arrivals = itertools.count()
        self._turns: dict[Turn, None] = {}
        self._places = 0
        self._lacking: dict[str, Urgency] = {}
        self._paused = False
        self._draining = False
        self._dispatching = False
        self._again = False

    @property
    def queued(self) -> int:
        """Tickets waiting."""
        return len(self._line)

    @property
    def running(self) -> int:
        """Tickets that have their turn."""
        return len(self._turns)

    def entries(self) -> list[Entry]:
        """Everybody: first those at work, then those who wait, in their order. O(n log n)."""
        now = self._clock()
        shown = [
            Entry(turn.ticket, True, max(0.0, now - turn.began), 0, 0.0) for turn in self._turns
        ]
        ahead, loads = self._seconds_left(now), 0.0
        loaded: set[str] = set()
        for position, waiting in enumerate(self._line.ordered(now)):
            waited = max(0.0, now - waiting.urgency.since)
            if waiting.ticket.model not in loaded:
                loaded.add(waiting.ticket.model)
                loads += self._models.load_seconds(waiting.ticket.model)
            wait = loads + ahead / self._slots
            shown.append(Entry(waiting.ticket, False, waited, position, wait))
            ahead += self._estimates.of(waiting.ticket)
        return shown

    def estimated_wait(self, model: str, priority: int) -> float:
        """Seconds until a ticket for a model that came now at this level would begin.

        Counts turns, and one load of each model that is not in memory, not the wait for memory
        that others use.
        """
        before = self._line.backlogs[: priority + 1]
        work = self._seconds_left(self._clock()) + sum(
            self._estimates.total(name, backlog.count, backlog.cost)
            for backlogs in before
            for name, backlog in backlogs.items()
        )
        models = {model}.union(*before)
        return sum(map(self._models.load_seconds, models)) + work / self._slots

    def pause(self) -> None:
        """Begins no turn until `resume`; tickets still queue."""
        self._paused = True

    def resume(self) -> None:
        """Begins turns again."""
        self._paused = False
        self.changed()

    def drain(self) -> None:
        """Refuses new tickets from now on; those waiting and running go on."""
        self._draining = True

    @asynccontextmanager
    async def turn(self, ticket: Ticket) -> AsyncIterator[Turn]:
        """Waits for the ticket's turn and holds a place and its model for the block.

        Raises `Overloaded` when the queue is full, `DeadlineExceeded` when the deadline passes
        first, `ServiceUnavailable` while draining, and what the model's load raised.
        """
        self._admit(ticket)
        turn = self._begin_at_once(ticket) or await self._wait(ticket)
        try:
            yield turn
            # Only turns that ran to their end teach how long turns take.
            self._estimates.learn(ticket, self._clock() - turn.began)
        finally:
            self._end(turn)

    def goes_first(self, model: str, other: Urgency) -> bool:
        """Whether someone waits here for `model` who goes before `other`, which would evict it."""
        if self._paused:
            return False
        now = self._clock()
        if self._places < self._slots:
            first = self._line.next_first_use(now)
            if first is not None and first.ticket.model == model:
                return True
        if len(self._lacking.keys() - {model}) >= self._slots:
            # Every place is kept for other models: who waits for this one goes after them.
            return False
        return self._line.goes_first(model, other, now)

    def loaded(self, model: str) -> None:
        """The model has come into memory."""
        self._line.loaded(model)
        self.changed()

    def failed(self, model: str, error: OrfeonError) -> None:
        """The model cannot be had: everybody who waits for it is told, each once."""
        for waiting in self._line.of(model):
            assert isinstance(waiting, _Queued)
            if waiting.turn.cancelled():
                self._leave(waiting, "evicted_cancelled")
                continue
            self._leave(waiting, "rejected_model")
            waiting.turn.set_exception(copy.copy(error))
        self.changed()

    def changed(self) -> None:
        """Begins what can begin, and asks the memory for the rest."""
        self._again = True
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._again:
                self._again = False
                self._lacking = {} if self._paused else self._dispatch()
                self._models.demand(self._lacking)
        finally:
            self._dispatching = False

    def _admit(self, ticket: Ticket) -> None:
        if self._draining:
            raise ServiceUnavailable("The service is shutting down; try again.", retry_after=1.0)
        if ticket.deadline is not None and ticket.deadline <= self._clock():
            self._observer.passed(ticket, "evicted_deadline")
            raise _expired()
        level, counts = ticket.priority, self._line.counts
        full = counts[level] >= self._policy.max_queued_per_level[level]
        if full or (level and counts[1] + counts[2] >= self._policy.max_queued):
            if self._begins_at_once(ticket):
                return
            self._observer.passed(ticket, "rejected_capacity")
            position = sum(counts[: level + 1])
            wait = self.estimated_wait(ticket.model, level)
            raise Overloaded(
                f"The queue is full: {position} requests go before this one. Try again later.",
                retry_after=wait,
                facts={"queue_position": position, "estimated_wait": wait},
            )

    def _begins_at_once(self, ticket: Ticket) -> bool:
        return (
            not self._line
            and not self._paused
            and self._places < self._room(ticket)
            and self._models.is_ready(ticket.model)
            and self._line.has_room(ticket.key)
        )

    def _begin_at_once(self, ticket: Ticket) -> Turn | None:
        if not self._begins_at_once(ticket):
            return None
        self._line.begin(ticket)
        self._observer.passed(ticket, "dispatched")
        self._places += 1
        return self._begin(ticket, Place())

    async def _wait(self, ticket: Ticket) -> Turn:
        now = self._clock()
        patience = self._policy.max_wait[ticket.priority]
        queued = _Queued(
            ticket,
            next(self._arrivals),
            Urgency(ticket.priority, now, now + patience),
            turn=asyncio.get_running_loop().create_future(),
        )
        self._line.add(queued)
        self._observer.queued(ticket)
        # With every place taken and the next ticket's model in memory, another changes nothing.
        full = self._places >= self._room(ticket)
        if not full or self._lacking or not self._models.is_ready(ticket.model):
            self.changed()
        try:
            if ticket.deadline is None:
                return await queued.turn
            async with asyncio.timeout(max(0.0, ticket.deadline - now)):
                return await queued.turn
        except BaseException as error:
            turn = queued.turn
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The turn came in the same moment as the end of the wait: pass it on.
                self._end(turn.result())
            timed_out = isinstance(error, TimeoutError)
            if queued.here:
                self._leave(queued, "evicted_deadline" if timed_out else "evicted_cancelled")
                self.changed()
            if timed_out:
                raise _expired() from None
            raise

    def _leave(self, queued: _Queued, outcome: Outcome) -> None:
        self._line.remove(queued)
        self._observer.left(queued.ticket, self._clock() - queued.urgency.since, outcome)

    def _dispatch(self) -> dict[str, Urgency]:
        """Fills the free places; the models that are still lacking, and how urgently."""
        now = self._clock()
        lacking: dict[str, Urgency] = {}
        # A free place is kept for each model that is yet to come. With no place free, the model
        # of the next ticket can still be asked for.
        while not lacking or self._places < self._slots:
            kept = self._places + len(lacking) >= self._slots
            if lacking and kept:
                first = self._line.next_first_use(now)
            else:
                first = self._line.next(now, lacking)
            if first is None:
                break
            assert isinstance(first, _Queued)
            if first.turn.cancelled():  # Its caller has just left, and is yet to say so.
                self._leave(first, "evicted_cancelled")
            elif first.ticket.deadline is not None and first.ticket.deadline <= now:
                self._leave(first, "evicted_deadline")
                first.turn.set_exception(_expired())
            elif not self._models.is_ready(first.ticket.model):
                lacking[first.ticket.model] = self._line.urgency(first)
            elif self._places < self._room(first.ticket):
                self._give(first, now)
                # Its key may have no room for those passed over any more.
                lacking.clear()
            else:
                break
        return lacking

    def _room(self, ticket: Ticket) -> int:
        """Places that there are for the ticket and others."""
        return self._slots + (0 if ticket.priority else self._policy.urgent_slots)

    def _give(self, first: Waiting, now: float) -> None:
        """Gives a place to a ticket, and to those that may share it."""
        place = Place()
        self._places += 1
        waiting: Waiting | None = first
        while waiting is not None:
            assert isinstance(waiting, _Queued)
            self._line.take(waiting)
            waited = max(0.0, now - waiting.urgency.since)
            self._observer.left(waiting.ticket, waited, "dispatched")
            waiting.turn.set_result(self._begin(waiting.ticket, place))
            waiting = self._next_to_share(first.ticket, place, now)

    def _next_to_share(self, ticket: Ticket, place: Place, now: float) -> Waiting | None:
        full = ticket.batch is None or len(place.tickets) >= self._policy.max_batch
        # The memory may have found others for the model as it was held.
        if full or not self._models.is_ready(ticket.model):
            return None
        waiting = self._line.next_to_share(ticket)
        if waiting is None:
            return None
        assert isinstance(waiting, _Queued)
        deadline = waiting.ticket.deadline
        expired = deadline is not None and deadline <= now
        return None if expired or waiting.turn.cancelled() else waiting

    def _begin(self, ticket: Ticket, place: Place) -> Turn:
        self._models.hold(ticket.model)
        place.tickets.append(ticket)
        turn = Turn(ticket, place, self._clock())
        self._turns[turn] = None
        return turn

    def _end(self, turn: Turn) -> None:
        del self._turns[turn]
        turn.place.tickets.remove(turn.ticket)
        self._places -= not turn.place.tickets
        self._line.end(turn.ticket, turn.cost)
        self._models.release(turn.ticket.model)
        self.changed()

    def _seconds_left(self, now: float) -> float:
        left = (self._estimates.left(turn.ticket, now - turn.began) for turn in self._turns)
        return sum(left) if self._places >= self._slots else 0.0


def _expired() -> DeadlineExceeded:
    return DeadlineExceeded("The time allowed ran out while the request waited for its turn.")
