"""WebSockets at the edge: who may open one, and how one is refused."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.errors import error_behind, response_of
from gateway.exchange import exchange_of
from services.runtime.errors import InvalidRequest, NotFound, OrfeonError

#: What carries a key where a browser can set no header, as in OpenAI's realtime API.
KEY_PROTOCOL = "openai-insecure-api-key."

#: Why a socket was closed, RFC 6455 section 7.4.1 and IANA's list.
_VIOLATION, _FAULT, _LATER = 1008, 1011, 1013


def check_origin(socket: WebSocket, origins: Collection[str]) -> None:
    """Raises `InvalidRequest` where a page of an origin that is not among `origins` asks.

    A browser lets any page open a socket; programs name no origin.
    """
    origin = socket.headers.get("origin")
    if origin is not None and origin not in origins and "*" not in origins:
        raise InvalidRequest(
            "Pages of this origin may not open a stream; who runs the gateway can allow it, by "
            "ORFEON_GATEWAY_CORS_ORIGINS.",
            param="origin",
        )


def headers_with_key(socket: WebSocket) -> Headers:
    """The headers; with the key that came as a subprotocol, where none came as a header."""
    if "authorization" in socket.headers or "x-api-key" in socket.headers:
        return socket.headers
    for name in socket.scope["subprotocols"]:
        if name.startswith(KEY_PROTOCOL):
            bearer = f"Bearer {name.removeprefix(KEY_PROTOCOL)}".encode("latin-1")
            return Headers(raw=[*socket.headers.raw, (b"authorization", bearer)])
    return socket.headers


def protocol_of(socket: WebSocket) -> str | None:
    """The subprotocol to speak: the first offered that is no key. Browsers want one named."""
    offered = socket.scope["subprotocols"]
    return next((name for name in offered if not name.startswith(KEY_PROTOCOL)), None)


async def refuse(socket: WebSocket, failure: Exception) -> None:
    """Answers a handshake with an HTTP error, in the envelope."""
    error = error_behind(failure)
    exchange_of(socket.scope).error = error.code or error.type
    await socket.send_denial_response(response_of(error))


def close_code(error: OrfeonError) -> int:
    """Which code says best why a stream was closed."""
    if error.retryable:
        return _LATER
    return _VIOLATION if error.http_status < 500 else _FAULT


def answering(scope: Scope, receive: Receive, send: Send) -> Send:
    """`send`, but that a socket which no route opens is told so in the envelope."""
    begun = False

    async def answer(message: Message) -> None:
        nonlocal begun
        if message["type"] == "websocket.close" and not begun:
            error = NotFound("There is no such stream.")
            exchange_of(scope).error = error.code or error.type
            await response_of(error)(scope, receive, send)
            return
        begun = True
        await send(message)

    return answer
