"""Who may ask, how much, and how urgently: keys, tokens, scopes, rates and priorities."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from gateway.exchange import Exchange
from gateway.keystore import ApiKey, KeyStore, is_token
from gateway.memory import UploadMemory
from gateway.ratelimits import RateLimiter, Rates
from gateway.usage import Amounts, UsageBook
from services.runtime.context import LEVELS, NORMAL, PRIORITY_KEY, RequestContext
from services.runtime.errors import (
    InvalidApiKey,
    InvalidRequest,
    MissingScope,
)

if TYPE_CHECKING:
    from gateway.tokens import Tokens

#: Seconds that a key may take to be looked up.
_LOOKUP_SECONDS = 3.0

#: OpenAI's word for urgency, as a level.
_BY_SERVICE_TIER = {"priority": 0, "fast": 0, "auto": 1, "default": 1, "scale": 1, "flex": 2}

#: Who asks where no key is required.
ANYBODY = ApiKey(
    id="anybody",
    name="anybody",
    prefix="",
    priority_floor=0,
    scopes=frozenset({"admin"}),
    created=0.0,
)


@dataclass(slots=True)
class Bill:
    """What a streamed answer has taken, as far as it has come; the second, audio, in seconds."""

    tokens: int = 0
    listened: float = 0.0


class Gatekeeper:
    """Admits requests. `keys` is None where everybody may do everything.

    `uploads` is the memory for what they send; `timeout` is in seconds; `book` is where it is
    written down what they used; `tokens` knows those of an OpenID provider, if there is one.
    """

    def __init__(
        self,
        keys: KeyStore | None,
        limiter: RateLimiter,
        rates: Rates,
        timeout: float,
        uploads: UploadMemory,
        book: UsageBook | None = None,
        tokens: "Tokens | None" = None,
    ) -> None:
        self._keys = keys
        self._book = book
        self._tokens = tokens
        self._limiter = limiter
        self._rates = rates
        self._timeout = timeout
        # Their own: others who use threads shall not wait for a database that is slow.
        self._lookups = ThreadPoolExecutor(keys.connections if keys else 1, "keys")
        self.uploads = uploads

    async def admit(
        self, exchange: Exchange, headers: Headers, scope: str | None, *, metered: bool
    ) -> None:
        """Lets a request in, from its headers alone, before its body is read.

        `scope` is None where any key will do.

        Raises `InvalidApiKey`, `MissingScope`, `RateLimitExceeded`, `InvalidRequest`,
        `ServiceUnavailable`.
        """
        key = ANYBODY if self._keys is None else await self._authenticated(self._keys, headers)
        exchange.key = key
        if scope is not None:
            require(exchange, scope)
        exchange.wanted_priority = wanted = _level(headers.get(PRIORITY_KEY))
        if metered and key is not ANYBODY:
            # The body, which may say how urgent it is too, has not been read.
            level = max(NORMAL if wanted is None else wanted, key.priority_floor)
            await self._limiter.admit(key.id, self._rates_of(key), exchange.headers, level)
            self._count_at_end(exchange, key, scope)

    def context(
        self, exchange: Exchange, priority: int | None = None, service_tier: str | None = None
    ) -> RequestContext:
        """What the service behind is told, once the body has said how urgent it is.

        The header goes before the body's `priority`, that before `service_tier`; no key goes
        below its floor. The level applied is echoed in a response header.
        """
        assert exchange.key is not None, "admit comes first"
        wanted = exchange.wanted_priority
        if wanted is None:
            wanted = priority
        if wanted is None:
            wanted = _BY_SERVICE_TIER.get(service_tier or "default", NORMAL)
        exchange.priority = max(wanted, exchange.key.priority_floor)
        exchange.headers[PRIORITY_KEY] = str(exchange.priority)
        return RequestContext(
            request_id=exchange.request_id,
            key_id=exchange.key.id,
            priority=exchange.priority,
            deadline=exchange.started + self._timeout,
        )

    async def charge(self, exchange: Exchange, tokens: int) -> None:
        """Counts the tokens that a request took."""
        key = exchange.key
        tokens = max(tokens, 0)
        exchange.tokens += tokens
        if key is not None and key is not ANYBODY:
            await self._limiter.charge(key.id, self._rates_of(key), tokens)

    @asynccontextmanager
    async def charging(self, exchange: Exchange) -> AsyncIterator[Bill]:
        """Counts what is on the bill when the block ends, be it because the client leaves."""
        bill = Bill()
        try:
            yield bill
        finally:
            exchange.listened(bill.listened)
            await self.charge(exchange, bill.tokens)

    def _count_at_end(self, exchange: Exchange, key: ApiKey, scope: str | None) -> None:
        if (book := self._book) is None or scope is None:
            return

        def count() -> None:
            book.add(key.id, scope, Amounts(1, exchange.tokens, exchange.audio_seconds))

        exchange.ended.append(count)

    async def _authenticated(self, keys: KeyStore, headers: Headers) -> ApiKey:
        secret = _secret(headers)
        if self._tokens is not None and is_token(secret):
            return await self._tokens.authenticate(secret)
        known, key = keys.remembered(secret)
        if not known:
            asking = asyncio.get_running_loop().run_in_executor(self._lookups, keys.look_up, secret)
            try:
                key = await asyncio.wait_for(asking, _LOOKUP_SECONDS)
            except TimeoutError:
                key = keys.unanswered(secret, "timeout")
        if key is None:
            raise InvalidApiKey("This API key is wrong, revoked or expired.")
        return key

    def _rates_of(self, key: ApiKey) -> Rates:
        if key.requests_per_minute is None and key.tokens_per_minute is None:
            return self._rates
        return Rates(
            requests=key.requests_per_minute or self._rates.requests,
            tokens=key.tokens_per_minute or self._rates.tokens,
        )


def require(exchange: Exchange, scope: str) -> None:
    """Raises `MissingScope` where the key, which has been admitted, may not do this."""
    if exchange.key is None or not exchange.key.allows(scope):
        raise MissingScope(
            f"This API key or access token lacks the scope {scope!r}, which this request needs."
        )


def _secret(headers: Headers) -> str:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    if secret := headers.get("x-api-key", "").strip():
        return secret
    raise InvalidApiKey("No API key; send one in the header `Authorization: Bearer <key>`.")


def _level(raw: str | None) -> int | None:
    if raw is None:
        return None
    if raw.strip() not in {str(level) for level in LEVELS}:
        raise InvalidRequest(
            f"The header {PRIORITY_KEY} must be 0 (urgent), 1 (normal) or 2 (background).",
            param="priority",
        )
    return int(raw)
