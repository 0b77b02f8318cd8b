"""The tickets of one level for one model, by key: every way in and out costs O(log keys)."""

import heapq
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from services.runtime.scheduler.fairness import Fairness
from services.runtime.scheduler.ticket import Ticket, cost_of
from services.runtime.urgency import Urgency


@dataclass(slots=True, eq=False)
class Waiting:
    """A ticket in the line. `arrival` counts up and breaks every tie."""

    ticket: Ticket
    arrival: int
    urgency: Urgency
    tag: float = 0.0
    """The fair order inside its level, once it is the first of its key; see `line`."""
    level: int = 0
    """The level it is served in: a ticket of level 2 joins level 1 in time."""
    here: bool = False
    """Whether it still waits."""
    parked: bool = False
    """Whether it is passed over, since its key has all the turns it may have."""


#: A number, the arrival and the ticket: what heaps sort by.
Entry: TypeAlias = tuple[float, int, Waiting]


class Lane:
    """Each key's tickets stand in their order; only its first has a tag and is in the heaps.

    Inside a key the moments of becoming overdue only grow, so its first is the first by those, too.
    What leaves from the middle is dropped later, with the next that comes up, or once it is most
    of what is here. Without `fairness` every tag is 0.
    """

    __slots__ = ("_fairness", "_gone", "_keys", "_level", "_overdue", "_tags", "count")

    def __init__(self, level: int, fairness: Fairness | None) -> None:
        self._level = level
        self._fairness = fairness
        self._keys: dict[str, deque[Waiting]] = {}
        self._tags: list[Entry] = []
        self._overdue: list[Entry] = []
        self._gone = 0
        self.count = 0

    def __iter__(self) -> Iterator[Waiting]:
        return (waiting for key in self._keys.values() for waiting in key if self._has(waiting))

    def foreseen(self) -> Iterator[tuple[Waiting, float]]:
        """Every ticket with its tag, or the one it will have if nothing else comes."""
        for key in self._keys.values():
            tag = key[0].tag
            for waiting in filter(self._has, key):
                yield waiting, tag
                tag += cost_of(waiting.ticket) if self._fairness is not None else 0.0

    def add(self, waiting: Waiting) -> None:
        """Lets a ticket in behind those of its key."""
        self.count += 1
        if self._fairness is not None:
            self._fairness.arrive(waiting.ticket.key)
        key = self._keys.get(waiting.ticket.key)
        if key is None:
            self._keys[waiting.ticket.key] = deque((waiting,))
            self._lead(waiting)
        else:
            key.append(waiting)

    def drop(self, waiting: Waiting, *, served: bool) -> None:
        """Lets a ticket go that is not `here` any more, or in another level."""
        self.count -= 1
        name = waiting.ticket.key
        key = self._keys[name]
        if self._fairness is not None:
            self._fairness.leave(name)
            if key[0] is waiting and not served:
                self._fairness.refund(name, cost_of(waiting.ticket))
        if key[0] is not waiting:
            self._gone += 1
            if self._gone > self.count + 64:
                self._sweep()
            return
        key.popleft()
        while key and not self._has(key[0]):
            key.popleft()
            self._gone -= 1
        if key:
            self._lead(key[0])
        else:
            del self._keys[name]

    def show(self, waiting: Waiting) -> None:
        """Puts the first ticket of a key into the heaps."""
        self._push(self._tags, waiting.tag, waiting)
        if waiting.urgency.due < math.inf:
            self._push(self._overdue, waiting.urgency.due, waiting)

    def first(self) -> Entry | None:
        """The ticket with the smallest tag."""
        return self._top(self._tags)

    def first_overdue(self) -> Entry | None:
        """The ticket that is, or will be, overdue first."""
        return self._top(self._overdue)

    def _lead(self, waiting: Waiting) -> None:
        """The ticket has become its key's first."""
        if self._fairness is not None:
            waiting.tag = self._fairness.start(waiting.ticket.key, cost_of(waiting.ticket))
        self.show(waiting)

    def _push(self, heap: list[Entry], number: float, waiting: Waiting) -> None:
        if len(heap) > 2 * len(self._keys) + 64:
            heap[:] = [entry for entry in heap if self._shows(entry[2])]
            heapq.heapify(heap)
        heapq.heappush(heap, (number, waiting.arrival, waiting))

    def _top(self, heap: list[Entry]) -> Entry | None:
        while heap:
            if self._shows(heap[0][2]):
                return heap[0]
            heapq.heappop(heap)
        return None

    def _sweep(self) -> None:
        for key in self._keys.values():
            stay = [waiting for waiting in key if self._has(waiting)]
            key.clear()
            key.extend(stay)
        self._gone = 0

    def _has(self, waiting: Waiting) -> bool:
        return waiting.here and waiting.level == self._level

    def _shows(self, waiting: Waiting) -> bool:
        return waiting.here and waiting.level == self._level and not waiting.parked
