"""How long to wait before starting again what died."""

import time
from collections.abc import Callable


class Backoff:
    """Starts again at once after the first death, and doubles the wait with every further one.

    Deaths are forgotten once the child has been well for long.
    All times are in seconds.
    """

    def __init__(
        self,
        *,
        first: float = 0.2,
        longest: float = 10.0,
        healthy: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = first
        self._longest = longest
        self._healthy = healthy
        self._clock = clock
        self._deaths = 0
        self._well_since: float | None = None

    def well(self, is_well: bool) -> None:
        """Notes whether the child is ready to work, as of now."""
        if not is_well:
            self._well_since = None
        elif self._well_since is None:
            self._well_since = self._clock()

    def died(self) -> float:
        """Notes a death; returns the seconds to wait before the next start."""
        since, self._well_since = self._well_since, None
        if since is not None and self._clock() - since >= self._healthy:
            self._deaths = 0
        delay = self._first * 2.0 ** (self._deaths - 1) if self._deaths else 0.0
        if delay < self._longest:
            self._deaths += 1
        return min(delay, self._longest)
