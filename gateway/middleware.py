"""What happens to every request before any route: a name, a size limit, a clock, a log line.

Plain ASGI: a stream passes through untouched.
"""

import asyncio
import logging
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access import record, request_id_of
from gateway.errors import error_behind, response_of
from gateway.exchange import SCOPE_KEY, Exchange, exchange_of
from gateway.metrics import GatewayMetrics
from gateway.sockets import answering
from services.runtime import tracing
from services.runtime.context import REQUEST_ID_KEY, current_request_id
from services.runtime.errors import ContentTooLarge

_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
#: Messages that hold the headers of an answer.
_BEGINNINGS = {
    "http.response.start",
    "websocket.http.response.start",
    "websocket.accept",
}
_QUIET = {"/healthz", "/readyz", "/metrics"}


class Observed:
    """Names the request, adds the headers every response has, counts it and logs it."""

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] in _QUIET:
            await self._observe(scope, receive, send, headers)
            return
        with tracing.span("request", caller=headers):
            await self._observe(scope, receive, send, headers)

    async def _observe(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        exchange = Exchange(request_id_of(headers.get(REQUEST_ID_KEY, "")))
        scope[SCOPE_KEY] = exchange
        token = current_request_id.set(exchange.request_id)
        status = 499

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] in _BEGINNINGS:
                # A WebSocket that is opened is answered with 101, Switching Protocols.
                status = message.get("status", 101)
                # Nothing below sets any of these, so there is none to replace.
                message["headers"] += [
                    (b"x-request-id", exchange.request_id.encode("latin-1")),
                    (b"openai-processing-ms", str(round(exchange.seconds() * 1000)).encode()),
                    *(
                        (name.encode("latin-1"), value.encode("latin-1"))
                        for name, value in exchange.headers.items()
                    ),
                ]
            await send(message)

        try:
            with self._metrics.in_progress.track_inprogress():
                await self._app(scope, receive, send_with_headers)
        finally:
            for end in exchange.ended:
                end()
            self._ended(scope, exchange, status)
            current_request_id.reset(token)

    def _ended(self, scope: Scope, exchange: Exchange, status: int) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope.get("method", "GET")  # A WebSocket begins with one.
        method = method if method in _METHODS else "other"
        level = logging.DEBUG if route in _QUIET else logging.INFO
        record(self._metrics, exchange, method, route, status, level)


class Bounded:
    """Refuses bodies over the limit: at once by their declared length, else while they are read.

    It also answers what no route could: an exception that is nobody's.
    """

    def __init__(
        self, app: ASGIApp, json_bytes: int, upload_bytes: int, upload_bytes_of: Mapping[str, int]
    ) -> None:
        self._app = app
        self._json_bytes = json_bytes
        self._upload_bytes = upload_bytes
        # Of paths that have a limit of their own.
        self._upload_bytes_of = upload_bytes_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            send = answering(scope, receive, send)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        headers = Headers(scope=scope)
        limit = self._limit(scope["path"], headers)
        seen = 0

        async def bounded_receive() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > limit:
                    raise _too_large(limit)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            declared = headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > limit:
                raise _too_large(limit)
            await self._app(scope, bounded_receive, watched_send)
        except (Exception, asyncio.CancelledError) as failure:
            error = error_behind(failure)
            exchange_of(scope).error = error.code or error.type
            if started:
                raise
            await response_of(error)(scope, receive, send)

    def _limit(self, path: str, headers: Headers) -> int:
        if headers.get("content-type", "").lower().startswith("multipart/"):
            return self._upload_bytes_of.get(path, self._upload_bytes)
        return self._json_bytes


def _too_large(limit: int) -> ContentTooLarge:
    return ContentTooLarge(f"The body is larger than the limit of {limit:,} bytes.")
