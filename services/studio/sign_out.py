"""Signing out: here, and at the provider of identities that let somebody in."""

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.background import BackgroundTask

from services.studio.sessions import COOKIE
from services.studio.shell import plain
from services.studio.sign_in import language_of, provider_name, public_address
from services.studio.studio import BASE, Studio
from services.studio.texts import Texts


def routes(studio: Studio) -> APIRouter:
    """`/studio/sign-out`."""
    router = APIRouter()

    @router.post(f"{BASE}/sign-out")
    async def leave(request: Request) -> Response:
        id = request.cookies.get(COOKIE, "")
        session = studio.sessions.get(id)
        # First, whatever a provider does.
        studio.sessions.close(id)
        response: Response = RedirectResponse(f"{BASE}/sign-in", 303)
        if session is not None and session.identity is not None:
            # Else whoever clicks "Sign in" next, in this browser, were let in as the same person.
            if away := session.identity.way_out(f"{public_address(studio, request)}{BASE}/sign-in"):
                response = leading_on(studio, request, away)
            response.background = BackgroundTask(session.identity.forget)
        response.delete_cookie(COOKIE, path=BASE)
        return response

    return router


def leading_on(studio: Studio, request: Request, address: str) -> HTMLResponse:
    """A page that leads on to the provider.

    A redirect would not do: our policy lets forms lead to ourselves alone, and browsers that go by
    it follow none to another site.
    """
    t = Texts(language_of(request))
    address = escape(address)
    said = (
        f"<h1>{t('shell.brand')}</h1>"
        f'<p role="status">{escape(t("sign_in.leaving", name=provider_name(studio)))}</p>'
        f'<p><a class="button primary" href="{address}">{t("sign_in.go_on")}</a></p>'
    )
    head = f'<meta http-equiv="refresh" content="0; url={address}">'
    # The address holds a token that says who it was.
    headers = {"cache-control": "no-store"}
    return HTMLResponse(plain(t, t("shell.brand"), said, head), headers=headers)
