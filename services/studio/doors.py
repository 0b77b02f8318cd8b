"""Which of Gradio's own routes are open, to whom, and how all of them refuse."""

import json
import logging
import re
from html import escape
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.studio.guard import refusal, texts_of
from services.studio.shares import Budgets, Tabs
from services.studio.shell import page_of, plain
from services.studio.studio import BASE
from services.studio.texts import LANGUAGES, Texts

log = logging.getLogger(__name__)

_API = "gradio_api/"
# What its script in the browser asks for. Gradio has much more: editors, a proxy, monitoring, an
# API without a queue. It stays shut, since none of it is for us to answer for.
_READ = re.compile(
    r"assets/.+|static/.+|svelte/.+|theme\.css|config|favicon\.ico"
    rf"|{_API}(?:theme\.css|info|startup-events|app_id|queue/data|upload_progress"
    r"|heartbeat/[^/]+|stream/.+|file=/.+)"
)
_WRITTEN = re.compile(rf"{_API}(?:queue/join|cancel|reset|upload|component_server|stream/.+)")
# Those that tell in their body or address on behalf of which tab of a browser they ask.
_OF_TAB = re.compile(rf"{_API}(?:queue/(?:join|data)|cancel|reset|component_server|heartbeat/.+)")
_SIGN_IN = f"{BASE}/sign-in"
_UPLOAD = f"{_API}upload"

#: Longest of such a body. Recordings and pictures are uploaded on their own, before.
_MOST_BYTES = 8 * 2**20
_MOST_SIGN_IN = 16 * 2**10
#: What stands around the file in an upload, and how many uploads somebody may make in ten minutes.
_ENVELOPE = 64 * 2**10
_UPLOADS = 10
#: What probes ask for, who read no sentences.
_PROBES = ("/healthz", "/readyz")
_NAME_LENGTH = 64

_BAD, _SIGNED_OUT, _MISSING, _METHOD, _LARGE, _BUSY = 400, 401, 404, 405, 413, 503
_FAILED = 500
#: What is told of a status; of others that the request was wrong.
_KEYS = {
    _SIGNED_OUT: "signed_out",
    _MISSING: "missing",
    _METHOD: "method",
    _LARGE: "too_large",
    _BUSY: "busy",
}


class Refused(Exception):
    """A request that is not let through, and the status that says so."""

    def __init__(self, status: int) -> None:
        self.status = status


class Doors:
    """Lets through what our pages need, and answers every refusal in our words.

    `pages` are the names of the pages, `most_upload` the bytes that may be uploaded at once. Stands
    behind the guard, which says whose a request is.
    """

    def __init__(self, app: ASGIApp, pages: tuple[str, ...], most_upload: int) -> None:
        self._app = app
        self._pages = pages
        self._most_upload = most_upload + _ENVELOPE
        self._tabs = Tabs()
        self._budgets = Budgets(_UPLOADS * self._most_upload)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(scope, receive, send)
        try:
            receive = await self._through(scope, receive)
            await self._app(scope, receive, reply)
        except Refused as refused:
            await reply.refuse(refused.status)
        except Exception:
            log.exception("a request failed")
            await reply.refuse(_FAILED)

    async def _through(self, scope: Scope, receive: Receive) -> Receive:
        """Where the body of a request that may pass is read from. Raises `Refused`."""
        session = scope["state"]["session"]
        language, _, path = scope["path"].removeprefix(f"{BASE}/").partition("/")
        if scope["path"] == _SIGN_IN and scope["method"] == "POST":
            # Whoever is not signed in yet has little to say.
            return _again(await _read(receive, _MOST_SIGN_IN), receive)
        if language not in LANGUAGES or session is None:
            return receive
        reads = scope["method"] in ("GET", "HEAD")
        if page_of(scope["path"], self._pages) is not None:
            if not reads:
                raise Refused(_METHOD)
            return receive
        if not (_READ if reads else _WRITTEN).fullmatch(path):
            other = (_WRITTEN if reads else _READ).fullmatch(path)
            raise Refused(_METHOD if other else _MISSING)
        if not reads and scope["method"] != "POST":
            raise Refused(_METHOD)
        if path == _UPLOAD:
            self._take(Headers(scope=scope).get("content-length", ""), session.id)
        return await self._of_tab(scope, path, receive) if _OF_TAB.fullmatch(path) else receive

    async def _of_tab(self, scope: Scope, path: str, receive: Receive) -> Receive:
        """The same, of a request on behalf of a tab, which must be one of the session's."""
        session = scope["state"]["session"]
        if scope["method"] in ("GET", "HEAD"):
            named = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            tabs = named.get("session_hash", [])
            # Of two Gradio takes the other.
            tab = tabs[0] if len(tabs) == 1 else ""
            tab = path.rpartition("heartbeat/")[2] if "heartbeat/" in path else tab
        else:
            body = await _read(receive, _MOST_BYTES)
            tab = _tab_of(body)
            receive = _again(body, receive)
        if not 0 < len(tab) <= _NAME_LENGTH:
            raise Refused(_BAD)
        if not self._tabs.claim(tab, session.id):
            raise Refused(_SIGNED_OUT)
        return receive

    def _take(self, length: str, session: str) -> None:
        """Counts an upload of so many bytes. Raises `Refused`."""
        if not length.isdecimal():
            raise Refused(_BAD)
        if int(length) > self._most_upload:
            raise Refused(_LARGE)
        if not self._budgets.spend(session, int(length)):
            raise Refused(_BUSY)


async def _read(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(_BAD)
        body += message.get("body", b"")
        if len(body) > most:
            raise Refused(_LARGE)
        if not message.get("more_body"):
            return bytes(body)


def _tab_of(body: bytes) -> str:
    """The tab that a body names. Raises `Refused` for one that is not as Gradio's script sends."""
    try:
        asked: Any = json.loads(body)
        body.decode().encode()
    except (ValueError, RecursionError):
        raise Refused(_BAD) from None
    if not isinstance(asked, dict) or not isinstance(asked.get("session_hash"), str):
        raise Refused(_BAD)
    return str(asked["session_hash"])


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive`, that gives a body which has been read."""
    given = False

    async def first() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return first


class _Reply:
    """Sends an answer on; one that refuses without a sentence of ours is put in our words."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._held: list[Message] = []
        self._begun = False

    async def __call__(self, message: Message) -> None:
        if self._held:
            self._held.append(message)
            if not message.get("more_body"):
                await self._judge()
        elif message["type"] == "http.response.start" and message["status"] >= _BAD:
            self._held.append(message)
        else:
            self._begun = True
            await self._send(message)

    async def refuse(self, status: int) -> None:
        """Answers with a sentence, unless an answer has begun."""
        if self._begun:
            return
        self._begun = True
        await _refusal(self._scope, status)(self._scope, self._receive, self._send)

    async def _judge(self) -> None:
        start, *rest = self._held
        self._held = []
        body = b"".join(message.get("body", b"") for message in rest)
        probed = self._scope["path"] in _PROBES and start["status"] == _BUSY
        if probed or _is_ours(Headers(raw=start["headers"]).get("content-type", ""), body):
            self._begun = True
            for message in (start, *rest):
                await self._send(message)
        else:
            await self.refuse(start["status"])


def _is_ours(media_type: str, body: bytes) -> bool:
    """Whether an error is told as we do: by a page, or in the envelope."""
    if media_type.startswith("application/json"):
        return body.startswith(b'{"error"')
    return media_type.startswith("text/html")


def _refusal(scope: Scope, status: int) -> Response:
    if scope["path"].endswith(f"{_API}queue/join") and status == _FAILED:
        # An event that there is not is a fault of its own to Gradio.
        status = _BAD
    # Of bodies that do not fit, some layers say 422.
    status = _BAD if _BAD < status < _FAILED and status not in _KEYS else status
    t = texts_of(scope["path"])
    key = _KEYS.get(status, "unexpected" if status >= _FAILED else "refused")
    if status == _MISSING and "text/html" in Headers(scope=scope).get("accept", ""):
        return _missing_page(t)
    return refusal(status, t(f"errors.{key}"), key)


def _missing_page(t: Texts) -> Response:
    said = (
        f"<h1>{escape(t('errors.missing_title'))}</h1><p>{escape(t('errors.missing'))}</p>"
        f'<p><a href="{BASE}/{t.language}/">{t("shell.home")}</a></p>'
    )
    title = f"{t('errors.missing_title')} · {t('shell.brand')}"
    return HTMLResponse(plain(t, title, said), _MISSING)
