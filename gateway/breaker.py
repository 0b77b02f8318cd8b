"""Keeps requests from waiting, one after another, for what has just been found away."""

import time
from collections.abc import Callable


class Breaker:
    """Whether something is worth another try. May be asked from any thread.

    Once it has failed it is tried every `seconds`, by one caller, until it works again.
    """

    def __init__(self, seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._next_try: float | None = None

    @property
    def broken(self) -> bool:
        """Whether the last try failed."""
        return self._next_try is not None

    @property
    def resting(self) -> bool:
        """Whether it is too early for another try."""
        return self._next_try is not None and self._clock() < self._next_try

    def allows(self) -> bool:
        """Whether the caller may try."""
        if self.resting:
            return False
        if self._next_try is not None:
            # The others go without until this caller knows more.
            self._next_try = self._clock() + self.seconds
        return True

    def failed(self) -> None:
        """A try failed."""
        self._next_try = self._clock() + self.seconds

    def worked(self) -> None:
        """A try worked."""
        self._next_try = None
