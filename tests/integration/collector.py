"""A collector of traces as OpenTelemetry's: takes OTLP over HTTP, in protobuf and in JSON."""

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """One span. Its ids are hexadecimal, `parent` is empty at the beginning of a trace."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool


@dataclass
class Collector:
    """What has arrived; `sent` is all of it as it came, unpacked."""

    url: str
    sent: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def trace(self, trace: str, spans: int) -> list[Span]:
        """A trace of at least so many spans, once they are there; fails if they do not come."""
        self.until(lambda: len(self._of(trace)) >= spans, f"{spans} spans of {trace}")
        return self._of(trace)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Waits until it holds."""
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end, f"no {what} came: {self.spans}"
            time.sleep(0.02)

    def _of(self, trace: str) -> list[Span]:
        return [span for span in self.spans if span.trace == trace]

    def take(self, media_type: str, body: bytes) -> None:
        """Reads one export."""
        self.sent.append(body)
        if media_type == "application/json":
            self._read(json.loads(body), bytes_are_hex=True)
        else:
            request = ExportTraceServiceRequest.FromString(body)
            self._read(MessageToDict(request), bytes_are_hex=False)

    def _read(self, export: dict[str, Any], *, bytes_are_hex: bool) -> None:
        for group in export["resourceSpans"]:
            service = str(_attributes(group["resource"])["service.name"])
            for span in (each for scope in group["scopeSpans"] for each in scope["spans"]):
                ids = (span["traceId"], span["spanId"], span.get("parentSpanId", ""))
                trace, own, parent = ids if bytes_are_hex else map(_hex, ids)
                failed = span.get("status", {}).get("code") == "STATUS_CODE_ERROR"
                self.spans.append(
                    Span(service, span["name"], trace, own, parent, _attributes(span), failed)
                )


def _hex(text: str) -> str:
    return base64.b64decode(text).hex()


def _attributes(of: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in of.get("attributes", [])}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Yields a running collector."""

    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            collector.headers.append({name.lower(): each for name, each in self.headers.items()})
            collector.take(self.headers["content-type"], body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
