"""What counts the requests and tokens of keys: in this process, or in Redis among many."""

from dataclasses import dataclass
from typing import Protocol

#: Rates are per so many seconds.
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Count:
    """A request, counted: whether it is within the rate, and what is left after it.

    The resets, when there is more again, are in Unix seconds.
    """

    admitted: bool
    requests_left: int
    requests_reset: float
    tokens_left: int
    tokens_reset: float


class Uncounted(Exception):
    """Nobody answers who counts. After `seconds` it is worth another try."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class StorageUnusable(ValueError):
    """Rates cannot be counted where the settings say; says what to change, without a password."""


class Counts(Protocol):
    """Counts by key, against rates per minute. Both raise `Uncounted`."""

    async def admit(self, key_id: str, requests: int, tokens: int) -> Count:
        """Counts a request unless the rate of `requests` is used up."""

    async def charge(self, key_id: str, tokens: int, cost: int) -> None:
        """Counts what a request took of the rate of `tokens`."""

    async def close(self) -> None:
        """Lets go of connections."""
