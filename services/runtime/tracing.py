"""Traces: which processes a request went through, and how long each part of its way took.

Off until `start` names a collector; nothing of OpenTelemetry is imported before. Spans carry names,
levels and counts, never what was said, sung or written.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import grpc
from pydantic import AfterValidator, Field

from orfeon import __version__

Attributes = Mapping[str, str | int | float | bool]

#: Seconds that a process which ends gives its last spans. A pod has 10 beyond its drain.
_LAST_SECONDS = 5.0
#: Characters; of a trace's state W3C wants so much handed on.
_LONGEST_STATE = 512
#: Somebody left, or was refused by one who has said already what there is to say.
_NO_FAILURES = (asyncio.CancelledError, GeneratorExit, grpc.aio.AbortError)


def _collector(url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise ValueError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is where OTLP is taken over HTTP, "
            "such as http://collector:4318, or empty"
        )
    return url


#: The setting of every process that says where its spans go.
TracesEndpoint = Annotated[
    str, AfterValidator(_collector), Field(validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
]


@dataclass(frozen=True, slots=True)
class _OpenTelemetry:
    """What is used of it, imported when it is first wanted."""

    provider: Any
    tracer: Any
    trace: Any
    nowhere: Any
    propagator: Any


_running: _OpenTelemetry | None = None


def start(process: str, endpoint: str) -> None:
    """Has spans sent to a collector, by OTLP over HTTP; `endpoint` is its address, empty for none.

    All else, sampling and headers too, is said by OpenTelemetry's own variables. Who is told does
    not wait: spans are sent in the background, and dropped while nobody takes them.
    """
    global _running
    if not endpoint or _running is not None:
        return
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    resource = Resource.create(
        {"service.name": f"orfeon-{process}", "service.version": __version__}
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _running = _OpenTelemetry(
        provider, provider.get_tracer("orfeon"), trace, Context(), TraceContextTextMapPropagator()
    )


def stop() -> None:
    """Sends what is left, and is off again. Takes a moment at most, whether or not it was taken."""
    global _running
    if _running is not None:
        # It tries for half a minute where nobody answers, and cannot be told to hurry.
        sending = threading.Thread(target=_running.provider.shutdown, daemon=True)
        _running = None
        sending.start()
        sending.join(_LAST_SECONDS)


def _named_by(caller: Mapping[str, str]) -> dict[str, str]:
    # A longer state need not be handed on, and would take all the room that gRPC has for headers.
    values = {name: caller.get(name, "") for name in ("traceparent", "tracestate")}
    return {name: value for name, value in values.items() if len(value) <= _LONGEST_STATE}


@contextmanager
def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    caller: Mapping[str, str] | None = None,
    shared: bool = False,
) -> Iterator[None]:
    """A part of the way, as long as the block lasts.

    `caller` are the headers of who asks this process for something, which may name a span of
    theirs. What is `shared` is done for several requests and belongs to the trace of none.
    """
    if _running is None:
        yield
        return
    kinds = _running.trace.SpanKind
    context = _running.nowhere if shared else None
    if caller is not None:
        context = _running.propagator.extract(_named_by(caller))
    with _running.tracer.start_as_current_span(
        name,
        context=context,
        kind=kinds.INTERNAL if caller is None else kinds.SERVER,
        attributes=attributes,
        # Its message may quote what was asked.
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield
        except _NO_FAILURES:
            raise
        except BaseException as failure:
            current.set_attribute("error.type", type(failure).__name__)
            current.set_status(_running.trace.StatusCode.ERROR)
            raise


def past(name: str, seconds: float, attributes: Attributes) -> None:
    """A part of the way that has just ended, after so many seconds."""
    if _running is not None:
        ended = time.time_ns()
        began = ended - round(seconds * 1e9)
        _running.tracer.start_span(name, attributes=attributes, start_time=began).end(ended)


def describe(attributes: Attributes, *, name: str = "", failed: bool = False) -> None:
    """Says more of the part that is under way, which may have a better name by now."""
    if _running is not None:
        current = _running.trace.get_current_span()
        current.set_attributes(dict(attributes))
        if name:
            current.update_name(name)
        if failed:
            current.set_status(_running.trace.StatusCode.ERROR)


def outgoing() -> dict[str, str]:
    """The headers that tell whoever is called of the part that is under way."""
    carrier: dict[str, str] = {}
    if _running is not None:
        _running.propagator.inject(carrier)
    return carrier


def trace_id() -> str:
    """The trace that is under way and kept, 32 hexadecimal digits; empty where there is none."""
    if _running is None:
        return ""
    context = _running.trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.trace_flags.sampled else ""


def exemplar() -> dict[str, str] | None:
    """What leads from a histogram's bucket to the trace under way."""
    return {"trace_id": found} if (found := trace_id()) else None
