"""Signing in: by an API key, or by a provider of identities."""

import hashlib
from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from orfeon.errors import (
    APIConnectionError,
    AuthenticationError,
    OrfeonError,
)
from services.studio.sessions import COOKIE, Session
from services.studio.shell import plain
from services.studio.studio import BASE, Studio
from services.studio.texts import LANGUAGES, Texts, preferred

_KEY_LENGTH = 512
#: Of an address to go to, which a cookie has to hold.
_ADDRESS_LENGTH = 512


def routes(studio: Studio) -> APIRouter:
    """`/studio/`, and below it `sign-in`."""
    router = APIRouter()

    @router.get("/")
    @router.get(BASE)
    @router.get(f"{BASE}/")
    async def start(request: Request) -> Response:
        return RedirectResponse(f"{BASE}/{language_of(request)}/", 303)

    @router.get(f"{BASE}/sign-in")
    async def ask(request: Request, next: str = "") -> Response:
        session = studio.sessions.get(request.cookies.get(COOKIE))
        if session is not None and not session.dismissed:
            return RedirectResponse(local(next, request), 303)
        return page(studio, request, next)

    @router.post(f"{BASE}/sign-in")
    async def enter(request: Request, key: str = Form(""), next: str = Form("")) -> Response:
        key = key.strip()
        # A form may say that it is of an encoding with characters that no answer can hold.
        next = next.encode(errors="replace").decode()
        try:
            # What no header can hold is no key either.
            if not (0 < len(key) <= _KEY_LENGTH and key.isascii() and key.isprintable()):
                raise AuthenticationError("no key", status=401)
            await studio.gateway.introduce(key)
        except AuthenticationError:
            return page(studio, request, next, "wrong_key", 401)
        except APIConnectionError:
            return page(studio, request, next, "gateway_away", 503)
        except OrfeonError:
            return page(studio, request, next, "not_now", 503)
        owner = hashlib.sha256(key.encode()).hexdigest()
        session = studio.sessions.open(f"{key[:10]}…", credential(key), owner)
        return signed_in(studio, request, session, next)

    return router


def credential(key: str) -> Callable[[], Awaitable[str]]:
    """A key that is what it is."""

    async def same() -> str:
        return key

    return same


def signed_in(studio: Studio, request: Request, session: Session, next: str) -> Response:
    """Leads on to where somebody wanted to go, with the cookie of the session."""
    # Whoever was signed in here before is not any more.
    studio.sessions.close(request.cookies.get(COOKIE, ""))
    response = RedirectResponse(local(next, request), 303)
    response.set_cookie(
        COOKIE,
        session.id,
        max_age=int(studio.settings.session_hours * 3600),
        path=BASE,
        httponly=True,
        samesite="lax",
        secure=is_secure(studio, request),
    )
    return response


def public_address(studio: Studio, request: Request) -> str:
    """Where browsers find us, without a path."""
    return (studio.settings.public_url or str(request.base_url)).rstrip("/")


def is_secure(studio: Studio, request: Request) -> bool:
    """Whether browsers come over TLS, which then ends at the edge."""
    public = studio.settings.public_url
    return urlsplit(public).scheme == "https" if public else request.url.scheme == "https"


def local(next: str, request: Request) -> str:
    """An address below ours; whatever else was given leads to the first page."""
    fine = next.startswith(f"{BASE}/") and not any(c in next for c in "\\\r\n") and ".." not in next
    address = quote(next, safe="/?=&-_.~%") if fine else ""
    # One that were cut would lead elsewhere.
    return address if 0 < len(address) <= _ADDRESS_LENGTH else f"{BASE}/{language_of(request)}/"


def language_of(request: Request) -> str:
    """The language that is asked for, else that of the page to go to, else the browser's."""
    asked = request.query_params
    page = asked.get("next", "").removeprefix(f"{BASE}/").partition("/")[0]
    wanted = next((each for each in (asked.get("lang", ""), page) if each in LANGUAGES), "")
    return wanted or preferred(request.headers.get("accept-language", ""))


def page(
    studio: Studio, request: Request, next: str, problem: str = "", status: int = 200
) -> HTMLResponse:
    """The page that asks who one is. `problem` is a key of `sign_in.yaml`."""
    t = Texts(language_of(request))
    other = next_language(t.language)
    provider = ""
    if studio.settings.oidc_issuer:
        name = provider_name(studio)
        provider = (
            f'<a class="button primary" href="{BASE}/oidc/start?next={quote(next)}">'
            f"{escape(t('sign_in.with_provider', name=name))}</a>"
            f'<p class="or"><span>{t("sign_in.or")}</span></p>'
        )
    alert = f'<p role="alert">{t(f"sign_in.{problem}")}</p>' if problem else ""
    said = (
        f"<h1>{t('shell.brand')}</h1><p>{t('sign_in.what')}</p>{alert}{provider}"
        f'<form method="post" action="{BASE}/sign-in?lang={t.language}">'
        f'<input type="hidden" name="next" value="{escape(next)}">'
        f'<label for="key">{t("sign_in.key")}</label>'
        f'<input id="key" name="key" type="password" autocomplete="current-password" required '
        f'maxlength="{_KEY_LENGTH}" spellcheck="false" aria-describedby="where">'
        f'<p id="where">{t("sign_in.where")}</p>'
        f'<button class="{"secondary" if provider else "primary"}">{t("sign_in.enter")}</button>'
        f'</form><p><a lang="{other}" hreflang="{other}" '
        f'href="{BASE}/sign-in?lang={other}&amp;next={quote(next)}">'
        f"{t('shell.other_language')}</a></p>"
    )
    return HTMLResponse(plain(t, t("sign_in.title"), said), status)


def provider_name(studio: Studio) -> str:
    """What the provider is called."""
    return studio.settings.oidc_name or urlsplit(studio.settings.oidc_issuer).netloc


def next_language(language: str) -> str:
    """The other language."""
    return next(each for each in LANGUAGES if each != language)
