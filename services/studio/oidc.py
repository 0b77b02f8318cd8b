"""Signing in at the OpenID Connect provider: away, and back."""

import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from orfeon.errors import APIConnectionError, AuthenticationError, OrfeonError
from services.studio.provider import Attempt, Provider
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.sign_in import introduce, is_secure, local, page, signed_in
from services.studio.studio import BASE, Studio

_PATH = f"{BASE}/oidc"
#: The cookie that ties an attempt to the browser that made it.
_COOKIE = "orfeon_sign_in"
#: Seconds that somebody may take at the provider.
_PATIENCE = 600
_MOST = 1_000


class Attempts:
    """Who is at the provider. Each comes back once; beyond `_MOST` the oldest is forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: OrderedDict[str, tuple[float, Attempt]] = OrderedDict()

    def add(self, attempt: Attempt) -> None:
        """Somebody leaves for the provider."""
        self._made[attempt.state] = (self._clock() + _PATIENCE, attempt)
        while len(self._made) > _MOST:
            self._made.popitem(last=False)

    def take(self, state: str, browser: str) -> Attempt | None:
        """The attempt of somebody who is back, in the browser that they left with."""
        until, attempt = self._made.pop(state, (0.0, None))
        if attempt is None or self._clock() > until or attempt.browser != browser:
            return None
        return attempt


def routes(studio: Studio, provider: Provider) -> APIRouter:
    """`/studio/oidc/start` and `/studio/oidc/callback`."""
    router = APIRouter()
    attempts = Attempts()

    @router.get(f"{_PATH}/start")
    async def start(request: Request, next: str = "") -> Response:
        public = studio.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
        attempt = provider.attempt(f"{public}{_PATH}/callback", local(next, request))
        try:
            response = RedirectResponse(await provider.address(attempt), 303)
        except ProviderFailed:
            return page(studio, request, next, "provider_away", 503)
        attempts.add(attempt)
        response.set_cookie(
            _COOKIE,
            attempt.browser,
            max_age=_PATIENCE,
            path=_PATH,
            httponly=True,
            samesite="lax",
            secure=is_secure(studio, request),
        )
        return response

    @router.get(f"{_PATH}/callback")
    async def callback(request: Request) -> Response:
        answered = dict(request.query_params)
        attempt = attempts.take(answered.get("state", ""), request.cookies.get(_COOKIE, ""))
        if attempt is None:
            return page(studio, request, "", "too_late", 400)
        try:
            identity = await provider.enter(attempt, answered)
            await introduce(studio, await identity.credential())
        except APIConnectionError:
            return page(studio, request, attempt.next, "gateway_away", 503)
        except (ProviderFailed, SignedOut):
            return page(studio, request, attempt.next, "provider_failed", 403)
        except AuthenticationError:
            return page(studio, request, attempt.next, "not_allowed", 403)
        except OrfeonError:
            return page(studio, request, attempt.next, "not_now", 503)
        session = studio.sessions.open(identity.label, identity.credential)
        response = signed_in(studio, request, session, attempt.next)
        response.delete_cookie(_COOKIE, path=_PATH)
        return response

    return router
