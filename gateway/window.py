"""Requests and tokens of the running minute, counted in this process, each in constant time."""

import time
from array import array
from dataclasses import dataclass, field

from gateway.counts import SECONDS, Count

#: Keys that are remembered before anybody looks which of them have been idle for a minute.
_FEW = 1024


@dataclass(slots=True)
class _Minute:
    """A key's last requests, and the tokens of a minute that began with the first."""

    #: When they came, in eight bytes each. Those before `first` are forgotten.
    hits: "array[float]" = field(default_factory=lambda: array("d"))
    first: int = 0
    tokens: int = 0
    until: float = 0.0

    @property
    def requests(self) -> int:
        """How many there were."""
        return len(self.hits) - self.first

    def forget(self, now: float) -> None:
        """Drops what is more than a minute ago."""
        while self.first < len(self.hits) and self.hits[self.first] < now - SECONDS:
            self.first += 1
        if 2 * self.first >= len(self.hits):
            # Half at a time, so that a request is moved once.
            del self.hits[: self.first]
            self.first = 0
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
        admitted = minute.requests < requests
        if admitted:
            minute.hits.append(now)
        return Count(
            admitted,
            max(0, requests - minute.requests),
            minute.hits[minute.first] + SECONDS,
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
            if minute.requests or minute.tokens
        }
        # Looked at again when there are twice as many, so that a key costs no more with many.
        self._most = max(_FEW, 2 * len(self._minutes))
