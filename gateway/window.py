"""Requests and tokens of the running minute, counted in this process, each in constant time."""

import time
from collections import deque
from dataclasses import dataclass, field

from gateway.counts import SECONDS, Count

#: Keys that are remembered before anybody looks which of them have been idle for a minute.
_FEW = 1024


@dataclass(slots=True)
class _Minute:
    """A key's last requests, and the tokens of a minute that began with the first."""

    hits: deque[float] = field(default_factory=deque)
    tokens: int = 0
    until: float = 0.0

    def forget(self, now: float) -> None:
        """Drops what is more than a minute ago."""
        while self.hits and self.hits[0] < now - SECONDS:
            self.hits.popleft()
        if self.until <= now:
            self.tokens = 0


class LocalCounts:
    """What `Counts` says, for one process."""

    def __init__(self) -> None:
        self._minutes: dict[str, _Minute] = {}
        self._most = _FEW

    async def admit(self, key_id: str, requests: int, tokens: int) -> Count:
        """Counts a request unless the rate of `requests` is used up."""
        now = time.time()
        minute = self._minute(key_id, now)
        admitted = len(minute.hits) < requests
        if admitted:
            minute.hits.append(now)
        return Count(
            admitted,
            max(0, requests - len(minute.hits)),
            minute.hits[0] + SECONDS,
            max(0, tokens - minute.tokens),
            minute.until,
        )

    async def charge(self, key_id: str, tokens: int, cost: int) -> None:
        """Counts what a request took."""
        now = time.time()
        minute = self._minute(key_id, now)
        if not minute.tokens:
            minute.until = now + SECONDS
        minute.tokens += cost

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _minute(self, key_id: str, now: float) -> _Minute:
        minute = self._minutes.get(key_id)
        if minute is None:
            if len(self._minutes) >= self._most:
                self._forget_the_idle(now)
            minute = self._minutes[key_id] = _Minute()
        minute.forget(now)
        return minute

    def _forget_the_idle(self, now: float) -> None:
        for minute in self._minutes.values():
            minute.forget(now)
        self._minutes = {
            key_id: minute
            for key_id, minute in self._minutes.items()
            if minute.hits or minute.tokens
        }
        # Looked at again when there are twice as many, so that a key costs no more with many.
        self._most = max(_FEW, 2 * len(self._minutes))
