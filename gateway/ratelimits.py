"""How much a key may ask per minute, and the headers that say how much is left."""

import time
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
from limits.storage import storage_from_string

from services.runtime.errors import RateLimitExceeded


@dataclass(frozen=True, slots=True)
class Rates:
    """What one key may use per minute."""

    requests: int
    tokens: int


class RateLimiter:
    """Counts requests and tokens per key, in this process or, by its storage, among many.

    Requests are counted when they come, over a sliding minute. What a request costs in tokens is
    known only when it ends, so tokens are charged afterwards, to a minute that starts with the
    first: the request that crosses the limit is served, the next one is refused. Who leaves a
    stream is charged for what was generated until then.
    """

    def __init__(self, storage_url: str) -> None:
        storage = storage_from_string(f"async+{storage_url}")
        assert isinstance(storage, Storage)
        self._requests = SlidingWindowCounterRateLimiter(storage)
        self._tokens = FixedWindowRateLimiter(storage)

    async def admit(self, key_id: str, rates: Rates, headers: dict[str, str]) -> None:
        """Counts a request and adds the rate headers. Raises `RateLimitExceeded`."""
        requests, tokens = _items(rates)
        admitted = await self._requests.hit(requests, "requests", key_id)
        now = time.time()
        by_requests = await self._requests.get_window_stats(requests, "requests", key_id)
        by_tokens = await self._tokens.get_window_stats(tokens, "tokens", key_id)
        requests_reset = max(0.0, by_requests.reset_time - now)
        tokens_reset = max(0.0, by_tokens.reset_time - now)
        if by_tokens.remaining >= rates.tokens:
            tokens_reset = 0.0
        headers["x-ratelimit-limit-requests"] = str(rates.requests)
        headers["x-ratelimit-limit-tokens"] = str(rates.tokens)
        headers["x-ratelimit-remaining-requests"] = str(by_requests.remaining)
        headers["x-ratelimit-remaining-tokens"] = str(by_tokens.remaining)
        headers["x-ratelimit-reset-requests"] = duration(requests_reset)
        headers["x-ratelimit-reset-tokens"] = duration(tokens_reset)
        if not admitted:
            raise RateLimitExceeded(
                f"This key may make {rates.requests} requests per minute; wait "
                f"{duration(requests_reset)}.",
                retry_after=requests_reset,
            )
        if by_tokens.remaining < 1:
            raise RateLimitExceeded(
                f"This key may use {rates.tokens} tokens per minute; wait "
                f"{duration(tokens_reset)}.",
                retry_after=tokens_reset,
            )

    async def charge(self, key_id: str, rates: Rates, tokens: int) -> None:
        """Counts the tokens that a request took."""
        if tokens > 0:
            await self._tokens.hit(_items(rates)[1], "tokens", key_id, cost=tokens)


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


@lru_cache(maxsize=1024)
def _items(rates: Rates) -> tuple[RateLimitItemPerMinute, RateLimitItemPerMinute]:
    return RateLimitItemPerMinute(rates.requests), RateLimitItemPerMinute(rates.tokens)
