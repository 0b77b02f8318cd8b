"""How urgent a piece of waiting work is: the one order that queues and memory share."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Urgency:
    """Level 0, 1 or 2, lower is sooner; times in seconds of one clock.

    From `due` on neither another's level, but for level 0, nor what is in memory may keep the
    work waiting.
    """

    level: int
    since: float
    due: float = math.inf

    def rank(self, now: float) -> tuple[int, float]:
        """Sorts the most urgent first: level 0, what is overdue, level 1, level 2."""
        if self.level == 0:
            return (0, self.since)
        if self.due <= now:
            return (1, self.due)
        return (self.level + 1, self.since)
