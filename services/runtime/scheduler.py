"""Who goes next: a bounded queue of three levels, in front of a fixed number of slots.

Level 0 goes before everything, first come first served. Level 1 follows: requests whose model is
already in memory first, then by arrival. Level 2 comes last, by arrival. A request that finds the
queue full is refused at once; one whose deadline passes, or whose caller leaves, is dropped before
it starts. Pure asyncio: clock, residency and observer are given.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from services.runtime.errors import DeadlineExceeded, Overloaded, ServiceUnavailable

LEVELS = 3
AFFINITY_LEVEL = 1

Outcome = Literal["dispatched", "rejected_capacity", "evicted_deadline", "evicted_cancelled"]


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """What the scheduler knows of a request. Each request has a ticket of its own.

    `deadline` is in seconds of the scheduler's clock. `cost` is an estimate in the capability's
    own unit (tokens, audio seconds), relative to the capability's other requests.
    """

    model: str
    priority: int
    key: str = ""
    deadline: float | None = None
    cost: float = 1.0


class Observer(Protocol):
    """Hears of the queue; metrics implement it."""

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        """A ticket did not wait: it was dispatched or rejected at once."""

    def queued(self, ticket: Ticket) -> None:
        """A ticket began to wait."""

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        """A ticket that was `queued` waits no longer."""


@dataclass(slots=True, eq=False)
class _Waiting:
    ticket: Ticket
    since: float
    turn: asyncio.Future[None]


class _Level:
    """The tickets of one level: by model, each in arrival order, each removable in O(1)."""

    def __init__(self) -> None:
        self._by_model: dict[str, dict[int, _Waiting]] = {}

    def add(self, arrival: int, waiting: _Waiting) -> None:
        self._by_model.setdefault(waiting.ticket.model, {})[arrival] = waiting

    def remove(self, arrival: int, model: str) -> bool:
        of_model = self._by_model.get(model, {})
        found = of_model.pop(arrival, None) is not None
        if not of_model:
            self._by_model.pop(model, None)
        return found

    def next(self, prefers: Callable[[str], bool]) -> _Waiting | None:
        """The first to arrive among the preferred models, else among all."""
        heads = [(next(iter(waiting)), model) for model, waiting in self._by_model.items()]
        if not heads:
            return None
        arrival, model = min([head for head in heads if prefers(head[1])] or heads)
        return self._by_model[model][arrival]

    def arrivals(self) -> list[int]:
        return [arrival for waiting in self._by_model.values() for arrival in waiting]


class Scheduler:
    """Gives `slots` places to tickets in order of level; see the module for the order."""

    def __init__(
        self,
        *,
        slots: int,
        max_queued: int,
        is_resident: Callable[[str], bool],
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = slots
        self._max_queued = max_queued
        self._is_resident = is_resident
        self._observer = observer
        self._clock = clock
        self._levels = [_Level() for _ in range(LEVELS)]
        self._arrivals = itertools.count()
        self._arrival_of: dict[Ticket, int] = {}
        self._running = 0
        self._draining = False
        # Smoothed seconds a ticket holds its slot; the first guess is replaced by the first fact.
        self._service_seconds: float | None = None

    @property
    def queued(self) -> int:
        """Tickets waiting."""
        return len(self._arrival_of)

    @property
    def running(self) -> int:
        """Slots taken."""
        return self._running

    def position(self, ticket: Ticket) -> int:
        """Tickets ahead of a waiting one by level and arrival; 0 is next.

        Affinity may let later arrivals of a loaded model pass. Raises `KeyError` if not waiting.
        """
        arrival = self._arrival_of[ticket]
        above = sum(len(self._levels[level].arrivals()) for level in range(ticket.priority))
        return above + sum(other < arrival for other in self._levels[ticket.priority].arrivals())

    def estimated_wait(self, ahead: int | None = None) -> float:
        """Seconds until a slot frees for a ticket with `ahead` others before it (default: all)."""
        before = self.queued if ahead is None else ahead
        return (self._service_seconds or 1.0) * (before + 1) / self._slots

    def drain(self) -> None:
        """Refuses new tickets from now on; those waiting and running go on."""
        self._draining = True

    @asynccontextmanager
    async def slot(self, ticket: Ticket) -> AsyncIterator[None]:
        """Waits for the ticket's turn and holds a slot for the block.

        Raises `Overloaded` when the queue is full, `DeadlineExceeded` when the deadline passes
        first, `ServiceUnavailable` while draining.
        """
        await self._enter(ticket)
        began = self._clock()
        try:
            yield
        finally:
            self._learn(self._clock() - began)
            self._running -= 1
            self._dispatch()

    async def _enter(self, ticket: Ticket) -> None:
        if self._draining:
            raise ServiceUnavailable("The service is shutting down; try again.", retry_after=1.0)
        if ticket.deadline is not None and ticket.deadline <= self._clock():
            self._observer.passed(ticket, "evicted_deadline")
            raise _expired()
        if self._running < self._slots and not self.queued:
            self._running += 1
            self._observer.passed(ticket, "dispatched")
            return
        if self.queued >= self._max_queued:
            self._observer.passed(ticket, "rejected_capacity")
            raise Overloaded(
                f"The queue is full: {self.queued} requests wait. Try again later.",
                retry_after=self.estimated_wait(),
            )
        await self._wait(ticket)

    async def _wait(self, ticket: Ticket) -> None:
        waiting = _Waiting(ticket, self._clock(), asyncio.get_running_loop().create_future())
        arrival = self._arrival_of[ticket] = next(self._arrivals)
        self._levels[ticket.priority].add(arrival, waiting)
        self._observer.queued(ticket)
        left = None if ticket.deadline is None else max(0.0, ticket.deadline - waiting.since)
        try:
            async with asyncio.timeout(left):
                await waiting.turn
        except BaseException as error:
            granted = waiting.turn.done() and not waiting.turn.cancelled()
            if granted and waiting.turn.exception() is None:
                # The turn came in the same moment as the end of the wait: pass it on.
                self._running -= 1
                self._dispatch()
            timed_out = isinstance(error, TimeoutError)
            self._leave(waiting, "evicted_deadline" if timed_out else "evicted_cancelled")
            if timed_out:
                raise _expired() from None
            raise

    def _leave(self, waiting: _Waiting, outcome: Outcome) -> None:
        arrival = self._arrival_of.pop(waiting.ticket, None)
        if arrival is not None:
            self._levels[waiting.ticket.priority].remove(arrival, waiting.ticket.model)
            self._observer.left(waiting.ticket, self._clock() - waiting.since, outcome)

    def _dispatch(self) -> None:
        while self._running < self._slots and (waiting := self._next()) is not None:
            deadline = waiting.ticket.deadline
            if deadline is not None and deadline <= self._clock():
                self._leave(waiting, "evicted_deadline")
                waiting.turn.set_exception(_expired())
                continue
            self._leave(waiting, "dispatched")
            self._running += 1
            waiting.turn.set_result(None)

    def _next(self) -> _Waiting | None:
        for number, level in enumerate(self._levels):
            prefers = self._is_resident if number == AFFINITY_LEVEL else _any_model
            while (waiting := level.next(prefers)) is not None:
                if not waiting.turn.cancelled():
                    return waiting
                self._leave(waiting, "evicted_cancelled")
        return None

    def _learn(self, seconds: float) -> None:
        before = self._service_seconds
        self._service_seconds = seconds if before is None else 0.8 * before + 0.2 * seconds


def _any_model(_model: str) -> bool:
    return True


def _expired() -> DeadlineExceeded:
    return DeadlineExceeded("The time allowed ran out while the request waited for its turn.")
