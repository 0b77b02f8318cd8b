"""Signing in at the OpenID Connect provider: away, and back."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict

from cryptography.fernet import Fernet, InvalidToken
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from orfeon.errors import APIConnectionError, AuthenticationError, OrfeonError
from services.studio.provider import Attempt, Provider
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.sign_in import is_secure, local, page, public_address, signed_in
from services.studio.studio import BASE, Studio

_PATH = f"{BASE}/oidc"
#: The cookie that ties an attempt to the browser that made it.
_COOKIE = "orfeon_sign_in"
#: Seconds that somebody may take at the provider.
_PATIENCE = 600


class Seal:
    """Attempts as text that only this process writes and reads.

    Their browsers keep them: whoever may begin without being known could fill any memory of ours.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._key = Fernet(Fernet.generate_key())

    def sealed(self, attempt: Attempt) -> str:
        """Somebody leaves for the provider."""
        told = json.dumps(asdict(attempt)).encode()
        return self._key.encrypt_at_time(told, int(self._wall())).decode()

    def opened(self, sealed: str, state: str) -> Attempt | None:
        """The attempt of somebody who is back, in the browser that they left with."""
        try:
            told = self._key.decrypt_at_time(sealed.encode(), _PATIENCE, int(self._wall()))
        except InvalidToken:
            return None
        attempt = Attempt(**json.loads(told))
        return attempt if attempt.state == state else None


def routes(studio: Studio, provider: Provider) -> APIRouter:
    """`/studio/oidc/start` and `/studio/oidc/callback`."""
    router = APIRouter()
    seal = Seal()

    @router.get(f"{_PATH}/start")
    async def start(request: Request, next: str = "") -> Response:
        back = f"{public_address(studio, request)}{_PATH}/callback"
        attempt = provider.attempt(back, local(next, request))
        try:
            response = RedirectResponse(await provider.address(attempt), 303)
        except ProviderFailed:
            return page(studio, request, next, "provider_away", 503)
        response.set_cookie(
            _COOKIE,
            seal.sealed(attempt),
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
        attempt = seal.opened(request.cookies.get(_COOKIE, ""), answered.get("state", ""))
        if attempt is None:
            return page(studio, request, "", "too_late", 400)
        response = await entered(request, attempt, answered)
        response.delete_cookie(_COOKIE, path=_PATH)
        return response

    async def entered(request: Request, attempt: Attempt, answered: dict[str, str]) -> Response:
        try:
            identity = await provider.enter(attempt, answered)
            await studio.gateway.introduce(await identity.credential())
        except APIConnectionError:
            return page(studio, request, attempt.next, "gateway_away", 503)
        except (ProviderFailed, SignedOut):
            return page(studio, request, attempt.next, "provider_failed", 403)
        except AuthenticationError:
            return page(studio, request, attempt.next, "not_allowed", 403)
        except OrfeonError:
            return page(studio, request, attempt.next, "not_now", 503)
        session = studio.sessions.open(
            identity.label, identity.credential, identity.subject, identity
        )
        return signed_in(studio, request, session, attempt.next)

    return router
