"""How much a key may ask per minute, and the headers that say how much is left."""

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from gateway.counts import Counts, Uncounted
from gateway.window import LocalCounts
from services.runtime.errors import RateLimitExceeded, ServiceUnavailable

#: What becomes of a request that could not be counted: served, or refused.
Failure = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class Rates:
    """What one key may use per minute."""

    requests: int
    tokens: int


def _untold(_level: int, _failure: Failure) -> None:
    """Nobody wants to know of failures."""


class RateLimiter:
    """Counts requests and tokens per key, in this process or, by its storage, among many.

    Requests are counted when they come: in any 60 seconds a key has no more than its rate, exactly,
    from however many gateways. What a request costs in tokens is known only when it ends, so tokens
    are charged afterwards, to a minute that starts with the first: the request that crosses the
    limit is served, the next one is refused. Who leaves a stream is charged for what was generated
    until then.

    Where the storage gives no answer within `timeout` seconds, requests of `open_levels` are
    served, others refused, and `failed` is told. It is then tried once a second.
    """

    def __init__(
        self,
        storage_url: str,
        *,
        timeout: float = 0.5,
        open_levels: Collection[int] = (0, 1),
        failed: Callable[[int, Failure], None] = _untold,
    ) -> None:
        self._counts = _counts(storage_url, timeout)
        self._open_levels = frozenset(open_levels)
        self._failed = failed

    async def admit(
        self, key_id: str, rates: Rates, headers: dict[str, str], level: int = 1
    ) -> None:
        """Counts a request and adds the rate headers.

        Raises `RateLimitExceeded`, and `ServiceUnavailable` where it cannot be counted.
        """
        headers["x-ratelimit-limit-requests"] = str(rates.requests)
        headers["x-ratelimit-limit-tokens"] = str(rates.tokens)
        try:
            count = await self._counts.admit(key_id, rates.requests, rates.tokens)
        except Uncounted as failure:
            self._admit_uncounted(level, failure)
            return
        now = time.time()
        requests_reset = max(0.0, count.requests_reset - now)
        tokens_reset = max(0.0, count.tokens_reset - now)
        if count.tokens_left >= rates.tokens:
            tokens_reset = 0.0
        headers["x-ratelimit-remaining-requests"] = str(count.requests_left)
        headers["x-ratelimit-remaining-tokens"] = str(count.tokens_left)
        headers["x-ratelimit-reset-requests"] = duration(requests_reset)
        headers["x-ratelimit-reset-tokens"] = duration(tokens_reset)
        if not count.admitted:
            raise RateLimitExceeded(
                f"This key may make {rates.requests} requests per minute; wait "
                f"{duration(requests_reset)}.",
                retry_after=requests_reset,
            )
        if count.tokens_left < 1:
            raise RateLimitExceeded(
                f"This key may use {rates.tokens} tokens per minute; wait "
                f"{duration(tokens_reset)}.",
                retry_after=tokens_reset,
            )

    async def charge(self, key_id: str, rates: Rates, tokens: int) -> None:
        """Counts the tokens that a request took, unless the storage is away."""
        if tokens > 0:
            with suppress(Uncounted):
                await self._counts.charge(key_id, rates.tokens, tokens)

    async def close(self) -> None:
        """Closes the connections."""
        await self._counts.close()

    def _admit_uncounted(self, level: int, failure: Uncounted) -> None:
        if level in self._open_levels:
            self._failed(level, "open")
            return
        self._failed(level, "closed")
        raise ServiceUnavailable(
            "Requests cannot be counted just now, and those of this priority wait until they can; "
            "try again shortly.",
            retry_after=failure.seconds,
        ) from failure


def _counts(url: str, timeout: float) -> Counts:
    if url == "memory://":
        return LocalCounts()
    # Who counts in memory need not have the library of Redis in it.
    from gateway.rediscounts import RedisCounts

    return RedisCounts(url, timeout)


def duration(seconds: float) -> str:
    """A time as OpenAI's headers write it: `0s`, `12ms`, `1.5s`, `6m0s`."""
    milliseconds = round(seconds * 1000)
    if milliseconds <= 0:
        return "0s"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{minutes}m{text}" if minutes else text
