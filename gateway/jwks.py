"""The keys by which an OpenID provider signs, as it publishes them."""

import asyncio
import json
import logging
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import InvalidKeyIdError, JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key, KeySet, OctKey

from gateway.fetch import Fetch, Unfetched
from gateway.oidcsettings import OidcSettings, trusted
from services.runtime.errors import InvalidApiKey, ServiceUnavailable

log = logging.getLogger(__name__)

#: Tokens have the provider asked for nothing no more often than this, however many of them name
#: keys that it never had.
RETRY_SECONDS = 3.0


class ProviderKeys:
    """The keys of one provider, asked for again and again between `start` and `stop`.

    A provider that is away costs no request any time: the last keys are good for
    `oidc_stale_seconds`. `clock` is in seconds, and never goes back.
    """

    def __init__(
        self,
        settings: OidcSettings,
        fetch: Fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._keys = KeySet([])
        self._fetched: float | None = None
        self._next_try = clock()
        self._refreshing: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._reachable = True
        self.version = 0
        """Counts the changes of the keys."""

    @property
    def reachable(self) -> bool:
        """Whether the provider gave its keys when it was last asked."""
        return self._reachable

    @property
    def current(self) -> bool:
        """Whether the keys are recent enough to be trusted."""
        return (
            self._fetched is not None
            and self._clock() - self._fetched <= self._settings.oidc_stale_seconds
        )

    async def start(self) -> None:
        """Asks for the keys from now on; whoever needs them first waits for them."""
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Asks no more."""
        for task in (self._keeping, self._refreshing):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self._fetch.close()

    async def find(self, kid: str | None) -> Key:
        """The key of a name; without one, the only key that there is.

        Raises `InvalidApiKey` where the provider has no such key, and `ServiceUnavailable` where
        nobody knows.
        """
        if not self.current or self._named(kid) is None:
            version = self.version
            await self._ask()
            if self.version != version and self._named(kid) is not None:
                # It was worth asking, and may be again at once: keys change when they like.
                self._next_try = self._clock()
        if not self.current:
            raise ServiceUnavailable(
                "Access tokens cannot be checked just now, their provider being away; try again "
                "shortly.",
                retry_after=RETRY_SECONDS,
            )
        if (key := self._named(kid)) is None:
            raise InvalidApiKey(
                "This access token is signed with a key that its provider does not publish."
            )
        return key

    async def refresh(self) -> None:
        """Asks the provider. Where it gives nothing, what is known stays."""
        try:
            keys = _usable(await self._published())
        except Unfetched as failure:
            if self._reachable:
                log.warning("no keys of the OpenID provider", extra={"reason": str(failure)})
            self._reachable = False
            return
        if not self._reachable:
            log.info("the OpenID provider gives keys again")
        self._reachable = True
        self._fetched = self._clock()
        if keys != self._keys:
            self._keys = keys
            self.version += 1

    async def _keep(self) -> None:
        while True:
            await self._ask(forced=True)
            seconds = self._settings.oidc_refresh_seconds
            await asyncio.sleep(seconds if self._reachable else min(seconds, RETRY_SECONDS))

    async def _ask(self, *, forced: bool = False) -> None:
        """Waits for an answer of the provider, unless it was asked a moment ago."""
        if self._refreshing is None or self._refreshing.done():
            if not forced:
                if self._clock() < self._next_try:
                    return
                self._next_try = self._clock() + RETRY_SECONDS
            self._refreshing = asyncio.create_task(self.refresh())
        # Others wait for it too, whatever becomes of this caller.
        await asyncio.shield(self._refreshing)

    async def _published(self) -> Any:
        url = self._settings.oidc_jwks_url
        if not url:
            issuer = self._settings.oidc_issuer
            found = _object(await self._fetch.get(_discovery(issuer)))
            if found.get("issuer") != issuer:
                raise Unfetched("the provider calls itself otherwise than oidc_issuer")
            url = str(found.get("jwks_uri"))
            if not trusted(url, self._settings.oidc_allow_http):
                raise Unfetched("the provider names no address of keys that can be trusted")
        return _object(await self._fetch.get(url)).get("keys")

    def _named(self, kid: str | None) -> Key | None:
        try:
            return self._keys.get_by_kid(kid)
        except InvalidKeyIdError:
            return None


def _discovery(issuer: str) -> str:
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unfetched("the provider does not answer in JSON") from error
    if not isinstance(found, dict):
        raise Unfetched("the provider does not answer with an object")
    return found


def _usable(published: Any) -> KeySet:
    """Those that verify signatures; providers publish others too. Raises `Unfetched`."""
    if not isinstance(published, list):
        raise Unfetched("the provider publishes no list of keys")
    keys = [key for each in published if (key := _key(each)) is not None]
    if not keys:
        raise Unfetched("the provider publishes no key that verifies signatures")
    return KeySet(keys)


def _key(published: Any) -> Key | None:
    if not isinstance(published, dict) or published.get("use", "sig") != "sig":
        return None
    try:
        with warnings.catch_warnings():
            # Of keys too short to be safe.
            warnings.simplefilter("error", SecurityWarning)
            key = JWKRegistry.import_key(published)
    except (JoseError, SecurityWarning, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return None
    return None if isinstance(key, OctKey) else key
