"""The requests of a moving minute, counted in this process.

The storage in memory of `limits` goes through all of a key's entries for every request.
"""

import time
from collections import deque

from limits import RateLimitItem, WindowStats


class LocalWindow:
    """What `MovingWindowRateLimiter` of `limits` is, in constant time."""

    def __init__(self) -> None:
        self._hits: dict[str, deque[float]] = {}

    async def hit(self, item: RateLimitItem, _: str, key_id: str) -> bool:
        """Counts a request unless the rate is used up; whether it was counted."""
        now = time.time()
        hits = self._recent(key_id, now - item.get_expiry())
        if len(hits) >= item.amount:
            return False
        hits.append(now)
        return True

    async def get_window_stats(self, item: RateLimitItem, _: str, key_id: str) -> WindowStats:
        """How many more there may be, and when the first of those counted is forgotten."""
        now = time.time()
        hits = self._recent(key_id, now - item.get_expiry())
        first = hits[0] if hits else now
        return WindowStats(first + item.get_expiry(), item.amount - len(hits))

    def _recent(self, key_id: str, since: float) -> deque[float]:
        hits = self._hits.setdefault(key_id, deque())
        while hits and hits[0] < since:
            hits.popleft()
        return hits
