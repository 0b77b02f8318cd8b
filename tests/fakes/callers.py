"""Callers of a scheduler, with all that a test knows of each."""

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, field

from services.runtime.scheduler import Outcome, Ticket, Turn


@dataclass(eq=False)
class Request:
    """A caller and all that is known of the ticket."""

    ticket: Ticket
    number: int
    since: float
    task: "asyncio.Task[str]"
    gate: "asyncio.Future[float | None]"
    due: float = math.inf
    joins: float = math.inf
    waiting: bool = False
    turn: Turn | None = None
    queued: int = 0
    heard: list[Outcome] = field(default_factory=list)
    passed_by: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Those that went before it after it was overdue, by the load whose run they were in."""

    def level(self, now: float) -> int:
        """The class that it stands in at `now`."""
        return 1 if self.ticket.priority == 2 and self.joins <= now else self.ticket.priority

    def overdue(self, now: float) -> bool:
        """Whether none but level 0 may go before it at `now`."""
        return self.level(now) == 1 and self.due <= now

    def goes_overdue(self, other: "Request", now: float) -> bool:
        """Whether both are overdue, and this one has been for longer."""
        mine, theirs = (self.due, self.number), (other.due, other.number)
        return self.overdue(now) and mine < theirs

    def may_precede(self, ready: "Request", now: float, *, affinity: bool) -> bool:
        """Whether this, for a model not in memory, may stand before one for a `ready` model."""
        mine, theirs = self.level(now), ready.level(now)
        if mine == 0 or theirs == 0:
            return mine == 0 and (theirs > 0 or self.number < ready.number)
        if self.overdue(now) or ready.overdue(now):
            return self.goes_before_overdue(ready, now)
        if mine == theirs == 1:
            return not affinity
        return mine <= theirs

    def goes_before_overdue(self, ready: "Request", now: float) -> bool:
        """The same, where one of the two is overdue."""
        if not ready.overdue(now):
            return self.overdue(now)
        return self.overdue(now) and (self.due, self.number) < (ready.due, ready.number)
