"""The OpenID Connect provider that people may sign in with: authorization code with PKCE."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx
import httpx2
from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from services.runtime.authorities import trusting
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.settings import StudioSettings, is_private

log = logging.getLogger(__name__)

#: How an identity may be signed; neither `none` nor a secret that is shared.
_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
#: Seconds that two clocks may differ, and that a token must still be good for to be used.
_LEEWAY = 60
_TIMEOUT = 10.0
#: How long what a provider says of itself is believed, in seconds.
_BELIEVED = 3600.0
#: Claims that a person can be called by, the best first.
_NAMES = ("name", "preferred_username", "email", "sub")


#: What goes wrong with a network, by our client and by that of the library.
_NETWORK = (httpx.HTTPError, httpx2.HTTPError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody on the way to the provider, with what only their own return can show.

    `next` is where they wanted to go.
    """

    state: str
    nonce: str
    verifier: str
    redirect: str
    next: str


class Provider:
    """The provider of the settings. `wall` is a clock of Unix seconds."""

    def __init__(
        self,
        settings: StudioSettings,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._wall = wall
        self._clock = clock
        # Reading the certificates takes longer than all else that a client does.
        self._tls = trusting(settings.oidc_ca_file)
        self._facts: Mapping[str, Any] = {}
        self._believed = -_BELIEVED

    def attempt(self, redirect: str, next: str) -> Attempt:
        """A new attempt, which comes back to the address `redirect`."""
        state, nonce, verifier = (generate_token(48) for _ in range(3))
        return Attempt(state, nonce, verifier, redirect, next)

    async def address(self, attempt: Attempt) -> str:
        """Where to send somebody to sign in. Raises `ProviderFailed`."""
        facts = await self._discovered()
        async with self._client(attempt.redirect) as client:
            url, _ = client.create_authorization_url(
                facts["authorization_endpoint"],
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
                **self._audience(),
            )
        return url

    async def enter(self, attempt: Attempt, answered: Mapping[str, str]) -> "Identity":
        """Who came back, by what the provider sent along. Raises `ProviderFailed`."""
        facts = await self._discovered()
        if answered.get("iss", facts["issuer"]) != facts["issuer"] or "code" not in answered:
            raise ProviderFailed("no code")
        try:
            async with self._client(attempt.redirect) as client:
                token = await client.fetch_token(
                    facts["token_endpoint"],
                    code=answered["code"],
                    code_verifier=attempt.verifier,
                    **self._audience(),
                )
        except (OAuthError, *_NETWORK) as error:
            raise ProviderFailed("no token") from error
        claims = await self._verified(str(token.get("id_token", "")), attempt.nonce)
        label = next(str(claims[name]) for name in _NAMES if claims.get(name))
        return Identity(self, str(claims["sub"]), label, token)

    async def renewed(self, refresh: str) -> Mapping[str, Any]:
        """New tokens for a refresh token. Raises `SignedOut` where it is good no longer, and
        `ProviderFailed` where the provider is away.
        """
        facts = await self._discovered()
        try:
            async with self._client("") as client:
                return cast(
                    Mapping[str, Any],
                    await client.refresh_token(facts["token_endpoint"], refresh_token=refresh),
                )
        except OAuthError:
            raise SignedOut from None
        except _NETWORK as error:
            raise ProviderFailed("no token") from error

    def way_out(self, token: str, back: str) -> str:
        """Where the provider ends its own session with whom an identity names, and leads them on to
        the address `back`. Empty where it has no such place.
        """
        if not (place := self._place("end_session_endpoint")):
            return ""
        asked = {
            "id_token_hint": token,
            "client_id": self._settings.oidc_client_id,
            "post_logout_redirect_uri": back,
        }
        return str(add_params_to_uri(place, asked.items()))

    async def revoke(self, refresh: str) -> None:
        """Has a refresh token taken back, where the provider does that. Raises `ProviderFailed`."""
        if not (place := self._place("revocation_endpoint")):
            return
        try:
            async with self._client("") as client:
                answer = await client.revoke_token(  # type: ignore[no-untyped-call]
                    place, refresh, token_type_hint="refresh_token"
                )
                answer.raise_for_status()
        except (OAuthError, *_NETWORK) as error:
            raise ProviderFailed("not taken back") from error

    def now(self) -> float:
        """Unix seconds."""
        return self._wall()

    def _client(self, redirect: str) -> AsyncOAuth2Client:
        secret = self._settings.oidc_client_secret
        return AsyncOAuth2Client(
            self._settings.oidc_client_id,
            secret or None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=self._settings.oidc_scopes,
            redirect_uri=redirect or None,
            code_challenge_method="S256",
            timeout=_TIMEOUT,
            verify=self._tls,
        )

    def _audience(self) -> dict[str, str]:
        audience = self._settings.oidc_audience
        return {"audience": audience} if audience else {}

    def _place(self, name: str) -> str:
        """A place that a provider need not have, as it said last; empty where it has none, or one
        that nothing secret may be sent to.
        """
        place = str(self._facts.get(name) or "")
        try:
            return place if is_private(place) else ""
        except ValueError:
            return ""

    async def _discovered(self) -> Mapping[str, Any]:
        if self._clock() - self._believed < _BELIEVED:
            return self._facts
        issuer = self._settings.oidc_issuer
        facts = await self._fetched(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if facts.get("issuer") != issuer or not all(facts.get(each) for each in wanted):
            log.error("the provider is not the one that the settings name")
            raise ProviderFailed("another issuer")
        self._facts, self._believed = facts, self._clock()
        return facts

    async def _verified(self, token: str, nonce: str) -> Mapping[str, Any]:
        """What an identity says, once it is sure who says it, and of whom."""
        # People sign in seldom: keys are asked for each time, so new ones are there at once.
        keys = await self._fetched((await self._discovered())["jwks_uri"])
        asked = JWTClaimsRegistry(
            now=lambda: int(self._wall()),
            leeway=_LEEWAY,
            iss={"essential": True, "value": self._settings.oidc_issuer},
            aud={"essential": True, "value": self._settings.oidc_client_id},
            sub={"essential": True},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            known = KeySet.import_key_set(cast(Any, keys))
            claims = jwt.decode(token, known, algorithms=_ALGORITHMS).claims
            asked.validate(claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderFailed("no identity") from error
        return claims

    async def _fetched(self, url: str) -> Mapping[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT, verify=self._tls) as client:
                answer = (await client.get(url)).raise_for_status().json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = str(error) or type(error).__name__
            log.warning("the provider gives nothing", extra={"reason": reason})
            raise ProviderFailed("away") from error
        if not isinstance(answer, dict):
            raise ProviderFailed("no object")
        return answer


class Identity:
    """Somebody whom the provider let in, with a token that is renewed.

    They are called by their `label`, and known by their `subject`, which nobody else has.
    """

    def __init__(
        self, provider: Provider, subject: str, label: str, token: Mapping[str, Any]
    ) -> None:
        self.subject = subject
        self.label = label
        self._provider = provider
        self._token = token
        self._expires = self._end(token)
        self._renewal: asyncio.Task[None] | None = None

    async def credential(self) -> str:
        """An access token that is good now. Raises `SignedOut`, `ProviderFailed`."""
        if self._provider.now() > self._expires - _LEEWAY / 2:
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.create_task(self._renew())
            # A refresh token may be good once: who leaves in between must not take the new one
            # along.
            await asyncio.shield(self._renewal)
        return str(self._token["access_token"])

    def way_out(self, back: str) -> str:
        """Where the provider signs them out and leads them to the address `back`; empty where it
        does not.
        """
        return self._provider.way_out(str(self._token["id_token"]), back)

    async def forget(self) -> None:
        """Has the provider take the refresh token back, as well as that goes."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                if self._renewal is not None:
                    # Of a token that is on its way, nobody knows yet.
                    await asyncio.wait({self._renewal})
                if refresh := self._token.get("refresh_token"):
                    await self._provider.revoke(str(refresh))
        except (ProviderFailed, TimeoutError):
            log.warning("the provider took no token back")

    async def _renew(self) -> None:
        refresh = self._token.get("refresh_token")
        if not refresh:
            if self._provider.now() >= self._expires:
                raise SignedOut
            return
        try:
            token = await self._provider.renewed(str(refresh))
        except ProviderFailed:
            if self._provider.now() >= self._expires:
                raise
            # What there is is good for some seconds; the next call asks again.
            return
        # Who sends no new refresh token, or no new identity, means the old one.
        self._token = {**self._token, **token}
        self._expires = self._end(token)

    def _end(self, token: Mapping[str, Any]) -> float:
        return self._provider.now() + float(token.get("expires_in") or 300)
