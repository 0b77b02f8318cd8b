"""How much a key may ask per minute, and the headers that say how much is left."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

from limits import RateLimitItemPerMinute, WindowStats
from limits.aio.storage import RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from limits.storage import storage_from_string
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisClusterException, RedisError

from gateway.breaker import Breaker
from gateway.window import LocalWindow
from services.runtime.errors import RateLimitExceeded, ServiceUnavailable

log = logging.getLogger(__name__)

#: What becomes of a request that could not be counted: served, or refused.
Failure = Literal["open", "closed"]

#: Questions to Redis at once, so that a burst opens no more connections.
_AT_ONCE = 64

T = TypeVar("T")


class StorageUnusable(ValueError):
    """Rates cannot be counted where the settings say; says what to change, without a password."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What one key may use per minute."""

    requests: int
    tokens: int


@dataclass(frozen=True, slots=True)
class _Count:
    admitted: bool
    requests: WindowStats
    tokens: WindowStats


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
        self._storage = _storage(storage_url, timeout)
        self._requests: MovingWindowRateLimiter | LocalWindow = (
            LocalWindow() if storage_url == "memory://" else MovingWindowRateLimiter(self._storage)
        )
        self._tokens = FixedWindowRateLimiter(self._storage)
        self._timeout = timeout
        self._open_levels = frozenset(open_levels)
        self._failed = failed
        self._breaker = Breaker()
        self._asking = asyncio.Semaphore(_AT_ONCE)

    async def admit(
        self, key_id: str, rates: Rates, headers: dict[str, str], level: int = 1
    ) -> None:
        """Counts a request and adds the rate headers.

        Raises `RateLimitExceeded`, and `ServiceUnavailable` where it cannot be counted.
        """
        headers["x-ratelimit-limit-requests"] = str(rates.requests)
        headers["x-ratelimit-limit-tokens"] = str(rates.tokens)
        count = await self._answer(lambda: self._count(key_id, rates))
        if count is None:
            self._admit_uncounted(level)
            return
        now = time.time()
        requests_reset = max(0.0, count.requests.reset_time - now)
        tokens_reset = max(0.0, count.tokens.reset_time - now)
        if count.tokens.remaining >= rates.tokens:
            tokens_reset = 0.0
        headers["x-ratelimit-remaining-requests"] = str(count.requests.remaining)
        headers["x-ratelimit-remaining-tokens"] = str(count.tokens.remaining)
        headers["x-ratelimit-reset-requests"] = duration(requests_reset)
        headers["x-ratelimit-reset-tokens"] = duration(tokens_reset)
        if not count.admitted:
            raise RateLimitExceeded(
                f"This key may make {rates.requests} requests per minute; wait "
                f"{duration(requests_reset)}.",
                retry_after=requests_reset,
            )
        if count.tokens.remaining < 1:
            raise RateLimitExceeded(
                f"This key may use {rates.tokens} tokens per minute; wait "
                f"{duration(tokens_reset)}.",
                retry_after=tokens_reset,
            )

    async def charge(self, key_id: str, rates: Rates, tokens: int) -> None:
        """Counts the tokens that a request took, unless the storage is away."""
        if tokens > 0:
            item = _items(rates)[1]
            await self._answer(lambda: self._tokens.hit(item, "tokens", key_id, cost=tokens))

    async def close(self) -> None:
        """Closes the connections."""
        if isinstance(self._storage, RedisStorage):
            # The bridge to redis-py, which alone we have it use.
            bridge: Any = self._storage.bridge
            await bridge.storage.aclose()

    async def _count(self, key_id: str, rates: Rates) -> _Count:
        requests, tokens = _items(rates)
        admitted = await self._requests.hit(requests, "requests", key_id)
        return _Count(
            admitted,
            await self._requests.get_window_stats(requests, "requests", key_id),
            await self._tokens.get_window_stats(tokens, "tokens", key_id),
        )

    def _admit_uncounted(self, level: int) -> None:
        if level in self._open_levels:
            self._failed(level, "open")
            return
        self._failed(level, "closed")
        raise ServiceUnavailable(
            "Requests cannot be counted just now, and those of this priority wait until they can; "
            "try again shortly.",
            retry_after=self._breaker.seconds,
        )

    async def _answer(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What the storage answers; None where it does not."""
        async with self._asking:
            if not self._breaker.allows():
                return None
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await ask()
            except (TimeoutError, OSError, RedisError, RedisClusterException) as error:
                if not self._breaker.broken:
                    log.warning("rates cannot be counted", extra={"reason": type(error).__name__})
                self._breaker.failed()
                return None
        if self._breaker.broken:
            log.info("rates are counted again")
            self._breaker.worked()
        return answer


def _storage(url: str, timeout: float) -> Storage:
    options: dict[str, Any] = {}
    if url != "memory://":
        options = {
            "implementation": "redispy",
            "key_prefix": "orfeon",
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            # A connection that Redis has closed meanwhile is no fault; a second one would be.
            "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
        }
    storage = storage_from_string(f"async+{url}", **options)
    assert isinstance(storage, Storage)
    if isinstance(storage, RedisStorage):
        _check_options(storage)
    return storage


def _check_options(storage: RedisStorage) -> None:
    """Raises `StorageUnusable` for an option in the URL that is none; requests would hear of it."""
    client: Any = storage.bridge
    pool = getattr(client.storage, "connection_pool", None)
    try:
        if pool is not None:
            pool.make_connection()
    except TypeError:
        raise StorageUnusable(
            "The address of Redis has an option after its `?` that there is not; take it out of "
            "ORFEON_GATEWAY_RATE_LIMIT_STORAGE."
        ) from None


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
