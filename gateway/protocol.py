"""HTTP/1.1, with the one answer that uvicorn gives by itself put into the envelope."""

import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.errors import envelope
from services.runtime.context import REQUEST_ID_KEY, new_request_id
from services.runtime.errors import InvalidRequest


class EnvelopeProtocol(HttpToolsProtocol):
    """uvicorn's protocol; bytes that are no HTTP request are refused in OpenAI's manner."""

    def send_400_response(self, msg: str) -> None:
        """Answers a request that no application can be asked about."""
        body = json.dumps(envelope(InvalidRequest(msg))).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            f"{REQUEST_ID_KEY}: {new_request_id()}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
