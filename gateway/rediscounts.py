"""Requests and tokens of the running minute, counted in Redis for all gateways together."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, TypeVar

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter
from limits.storage import storage_from_string
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisClusterException, RedisError

from gateway.breaker import Breaker
from gateway.counts import Count, StorageUnusable, Uncounted

log = logging.getLogger(__name__)

#: Questions to Redis at once, so that a burst opens no more connections.
_AT_ONCE = 64

T = TypeVar("T")


class RedisCounts:
    """What `Counts` says, in the Redis at `url`.

    An answer that takes more than `timeout` seconds is none; Redis is then asked once a second.
    Raises `StorageUnusable` for an address that is none.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._storage = _storage(url, timeout)
        self._requests = MovingWindowRateLimiter(self._storage)
        self._tokens = FixedWindowRateLimiter(self._storage)
        self._timeout = timeout
        self._breaker = Breaker()
        self._asking = asyncio.Semaphore(_AT_ONCE)

    async def admit(self, key_id: str, requests: int, tokens: int) -> Count:
        """Counts a request unless the rate of `requests` is used up."""
        return await self._answer(lambda: self._count(key_id, _per_minute(requests), tokens))

    async def charge(self, key_id: str, tokens: int, cost: int) -> None:
        """Counts what a request took of the rate of `tokens`."""
        item = _per_minute(tokens)
        await self._answer(lambda: self._tokens.hit(item, "tokens", key_id, cost=cost))

    async def close(self) -> None:
        """Closes the connections."""
        # The bridge to redis-py, which alone we have it use.
        bridge: Any = self._storage.bridge
        await bridge.storage.aclose()

    async def _count(self, key_id: str, item: RateLimitItemPerMinute, tokens: int) -> Count:
        admitted = await self._requests.hit(item, "requests", key_id)
        requests = await self._requests.get_window_stats(item, "requests", key_id)
        used = await self._tokens.get_window_stats(_per_minute(tokens), "tokens", key_id)
        return Count(
            admitted, requests.remaining, requests.reset_time, used.remaining, used.reset_time
        )

    async def _answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What Redis answers. Raises `Uncounted`."""
        async with self._asking:
            if not self._breaker.allows():
                raise Uncounted(self._breaker.seconds)
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await ask()
            except (TimeoutError, OSError, RedisError, RedisClusterException) as error:
                if not self._breaker.broken:
                    log.warning("rates cannot be counted", extra={"reason": type(error).__name__})
                self._breaker.failed()
                raise Uncounted(self._breaker.seconds) from error
        if self._breaker.broken:
            log.info("rates are counted again")
            self._breaker.worked()
        return answer


def _storage(url: str, timeout: float) -> RedisStorage:
    options: dict[str, Any] = {
        "implementation": "redispy",
        "key_prefix": "orfeon",
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        # A connection that Redis has closed meanwhile is no fault; a second one would be.
        "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,)),
    }
    storage = storage_from_string(f"async+{url}", **options)
    assert isinstance(storage, RedisStorage)
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


@lru_cache(maxsize=1024)
def _per_minute(rate: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(rate)
