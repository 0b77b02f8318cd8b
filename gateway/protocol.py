"""HTTP/1.1 as uvicorn has it: its own answers in the envelope, and an end to clients that stall."""

import asyncio
import json
import socket
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.server import ServerProtocol

from gateway.errors import envelope
from services.runtime.context import REQUEST_ID_KEY, new_request_id
from services.runtime.errors import InvalidRequest

#: Seconds that a client may take nothing of an answer that waits for it. Then it is gone, and so is
#: its request: who stops reading would keep the place of somebody who reads.
STALLED = 60.0
#: Seconds that a connection may wait for its next request. Longer than any proxy before us keeps
#: one (Traefik 90, unless told): were we the first to close it, a request could just be on its way.
IDLE = 120


class EnvelopeProtocol(HttpToolsProtocol):
    """uvicorn's protocol; bytes that are no HTTP request are refused in OpenAI's manner."""

    _behind = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is here."""
        super().connection_made(transport)
        plug = transport.get_extra_info("socket")
        # Linux counts the time for us, from when the last of our bytes was taken.
        if plug is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED * 1000))

    def on_headers_complete(self) -> None:
        """A request has begun. What comes behind one that is being answered has to come again.

        While it waited for its turn nobody would notice that the client has left.
        """
        answering = self.cycle
        super().on_headers_complete()
        self._behind = bool(self.pipeline)
        if self._behind:
            self.pipeline.clear()
            self.cycle = answering
            answering.keep_alive = False
            self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        """More of a body."""
        if not self._behind:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        if not self._behind:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers a request that no application can be asked about."""
        self.transport.write(_refusal(msg))
        self.transport.close()


class EnvelopeSockets(WebSocketsSansIOProtocol):
    """uvicorn's WebSockets; handshakes that are none are refused in OpenAI's manner."""

    def data_received(self, data: bytes) -> None:
        """A client has sent something."""
        super().data_received(data)
        # Of a header of more than 8 KiB uvicorn hears nothing, and would wait for ever.
        if (unread := self.conn.handshake_exc) is not None and not self.handshake_initiated:
            self._refuse(f"The handshake cannot be read: {unread}.")

    def handle_connect(self, event: Request) -> None:
        """A client asks for a socket."""
        # On a protocol of its own: to accept changes the one that does.
        answer = ServerProtocol().accept(event)
        if answer.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            super().handle_connect(event)
            return
        self._refuse(bytes(answer.body).decode().strip())

    def _refuse(self, sentence: str) -> None:
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(_refusal(sentence))
        self.transport.close()

    async def send(self, message: Any) -> None:
        """Sends what the application says."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # To refuse is an answer too, which uvicorn would otherwise miss, and log that.
            self.handshake_complete = True


def _refusal(sentence: str) -> bytes:
    body = json.dumps(envelope(InvalidRequest(sentence))).encode()
    head = (
        "HTTP/1.1 400 Bad Request\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        f"{REQUEST_ID_KEY}: {new_request_id()}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


#: How uvicorn serves WebSockets: a message is some seconds of samples at most, and who answers no
#: ping has left. Samples hardly get smaller by compression.
SOCKETS: dict[str, Any] = {
    "ws": EnvelopeSockets,
    "ws_max_size": 1 << 20,
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "ws_per_message_deflate": False,
}
