"""The door of the web app: who gets in, from where, and what a page may do in a browser."""

import secrets
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.studio.sessions import COOKIE, Session, Sessions
from services.studio.shell import STATIC, Place, page_of, wrapped
from services.studio.studio import BASE
from services.studio.texts import LANGUAGES, Texts

#: What may be asked for without being signed in.
_OPEN = (
    f"{BASE}/sign-in",
    f"{BASE}/sign-out",
    f"{BASE}/oidc/",
    f"{BASE}/static/",
    "/healthz",
    "/readyz",
)
_BOARDS = f"{BASE}/boards/"
_SAFE = {"GET", "HEAD", "OPTIONS"}
# A neighbour below the same domain is another site too.
_OTHERS = {"cross-site", "same-site"}
_WHOLE = {200, 206, 304}
_FOR_GOOD = "private, max-age=31536000, immutable"

# Svelte, which Gradio is written in, sets styles in elements; nothing but our own files and the
# scripts in the page itself, by a nonce, ever runs.
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
}


class Guard:
    """Lets in who has a session, refuses what other sites send, and wraps pages in our shell.

    `pages` are the names of the pages. `served` is told of each that is sent, with its status.
    """

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        pages: tuple[str, ...],
        served: Callable[[str, int], None] = lambda page, status: None,
    ) -> None:
        self._app = app
        self._sessions = sessions
        self._pages = pages
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Gradio needs no WebSocket, so there is none that another site could open.
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        nonce = secrets.token_urlsafe(16)
        # What pages ask by themselves keeps nobody signed in.
        used = not (scope["method"] == "GET" and scope["path"].startswith(_BOARDS))
        id = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        session = self._sessions.get(id, used=used)
        scope.setdefault("state", {})["session"] = session
        place = page_of(scope["path"], self._pages)
        if session is not None and session.dismissed and place is not None:
            session = None
        policy = _POLICY.format(nonce=nonce)
        reply = _Reply(self._counted(send, place), policy, lasting=_is_lasting(scope))
        if _is_foreign(scope, headers):
            t = texts_of(scope["path"])
            answer = refusal(403, t("errors.cross_site"), "cross_site")
            await answer(scope, receive, reply)
        elif session is None and not scope["path"].startswith(_OPEN):
            await _signed_out(scope, headers)(scope, receive, reply)
        elif session is None or place is None:
            await self._app(scope, receive, reply)
        else:

            def wrap(document: str, session: Session = session) -> str:
                return wrapped(document, place, self._pages, session.label, nonce)

            # A page is wrapped as text, so it must not come compressed.
            plain = [each for each in scope["headers"] if each[0] != b"accept-encoding"]
            await self._app({**scope, "headers": plain}, receive, _Page(reply, wrap))

    def _counted(self, send: Send, place: Place | None) -> Send:
        """`send`, with the pages counted that it sends."""
        if place is None:
            return send

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._served(place.page, message["status"])
            await send(message)

        return counted


class _Reply:
    """Sends an answer with the headers that every answer has."""

    def __init__(self, send: Send, policy: str, *, lasting: bool) -> None:
        self._send = send
        self._policy = policy
        self._lasting = lasting

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            # Gradio lets pages of any address read its answers.
            for name in [name for name in headers if name.startswith("access-control-")]:
                del headers[name]
            headers["content-security-policy"] = self._policy
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            # Whoever is sent to sign in, or to a replica of another version, comes back for it.
            lasting = self._lasting and message["status"] in _WHOLE
            headers.setdefault("cache-control", _FOR_GOOD if lasting else "no-cache")
        await self._send(message)


class _Page:
    """Sends an answer on; one that is a page is wrapped first."""

    def __init__(self, send: Send, wrap: Callable[[str], str]) -> None:
        self._send = send
        self._wrap = wrap
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if "text/html" in Headers(raw=message["headers"]).get("content-type", ""):
                self._start = message
                return
        elif self._start is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = self._wrap(self._body.decode()).encode()
            MutableHeaders(scope=self._start)["content-length"] = str(len(body))
            await self._send(self._start)
            message = {**message, "body": body}
        await self._send(message)


def _is_lasting(scope: Scope) -> bool:
    """Whether the address changes with what lies there."""
    path: str = scope["path"]
    if path.startswith(f"{STATIC}/") or "/assets/" in path:
        return True
    query: bytes = scope["query_string"]
    return path.endswith("/theme.css") and query.startswith(b"v=")


def _is_foreign(scope: Scope, headers: Headers) -> bool:
    """Whether another site's page asks, other than by a link that somebody follows."""
    if scope["method"] in _SAFE:
        site = headers.get("sec-fetch-site", "none")
        return site in _OTHERS and headers.get("sec-fetch-mode") != "navigate"
    if (sender := headers.get("sec-fetch-site")) is not None:
        return sender not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _signed_out(scope: Scope, headers: Headers) -> ASGIApp:
    if scope["method"] in _SAFE and "text/html" in headers.get("accept", ""):
        query = scope["query_string"].decode("latin-1")
        asked = f"{scope['path']}?{query}" if query else scope["path"]
        return RedirectResponse(f"{BASE}/sign-in?next={quote(asked)}", 303)
    return refusal(401, texts_of(scope["path"])("errors.signed_out"), "signed_out")


def refusal(status: int, message: str, code: str) -> JSONResponse:
    """An error, in the gateway's envelope."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    # `detail` is what Gradio's script shows.
    return JSONResponse({"error": error, "detail": message}, status)


def texts_of(path: str) -> Texts:
    """The sentences in the language of a path, such as `/studio/es/song`."""
    language = path.removeprefix(f"{BASE}/").partition("/")[0]
    return Texts(language if language in LANGUAGES else LANGUAGES[0])
