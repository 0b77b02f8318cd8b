"""Spans: whose part they are, what they say, and that there are none unless wanted."""

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_trace_id

from services.runtime import tracing
from services.runtime.settings import ListeningSettings
from services.runtime.telemetry import JsonFormatter

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
DROPPED = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Takes the spans of the process, which are all there once tracing is stopped."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(trace_exporter, "OTLPSpanExporter", lambda endpoint: exporter)
    monkeypatch.setattr(tracing, "_LAST_SECONDS", 60)
    tracing.start("test", "http://collector:4318")
    yield exporter
    tracing.stop()


def ended(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    tracing.stop()
    spans: Sequence[ReadableSpan] = exporter.get_finished_spans()
    return {span.name: span for span in spans}


def line() -> dict[str, object]:
    record = logging.LogRecord("test", logging.INFO, __file__, 1, "said", None, None)
    found: dict[str, object] = json.loads(JsonFormatter().format(record))
    return found


def test_without_a_collector_there_are_no_spans() -> None:
    with tracing.span("request", caller=CALLER):
        tracing.past("queue", 1.0, {})
        tracing.describe({"a": 1}, name="other", failed=True)
        assert tracing.outgoing() == {}
        assert tracing.exemplar() is None
        assert "trace_id" not in line()
    tracing.stop()


def test_a_span_goes_on_from_its_caller_and_is_handed_on(kept: InMemorySpanExporter) -> None:
    with tracing.span("request", caller=CALLER):
        inner = tracing.outgoing()["traceparent"]
        assert tracing.exemplar() == {"trace_id": TRACE}
        assert line()["trace_id"] == TRACE
        tracing.past("queue", 2.0, {"orfeon.priority": 1})
        tracing.describe({"http.route": "/v1"}, name="GET /v1")

    spans = ended(kept)
    request, queue = spans["GET /v1"], spans["queue"]
    assert request.parent is not None
    assert format_trace_id(request.parent.trace_id) == TRACE
    assert request.context is not None
    assert inner == f"00-{TRACE}-{request.context.span_id:016x}-01"
    assert queue.parent is not None
    assert queue.parent.span_id == request.context.span_id
    assert queue.start_time is not None
    assert queue.end_time is not None
    assert queue.end_time - queue.start_time == 2_000_000_000
    assert dict(request.attributes or {}) == {"http.route": "/v1"}


def test_who_calls_without_a_trace_begins_one_even_within_another(
    kept: InMemorySpanExporter,
) -> None:
    with tracing.span("one", caller={}), tracing.span("other", caller={}):
        pass
    spans = ended(kept)
    assert spans["one"].parent is None
    assert spans["other"].parent is None


def test_what_is_done_for_several_is_no_part_of_one(kept: InMemorySpanExporter) -> None:
    with tracing.span("request", caller=CALLER), tracing.span("load", shared=True):
        pass
    load = ended(kept)["load"]
    assert load.parent is None
    assert load.context is not None
    assert format_trace_id(load.context.trace_id) != TRACE


def test_what_the_caller_does_not_keep_leads_nowhere(kept: InMemorySpanExporter) -> None:
    with tracing.span("request", caller=DROPPED):
        assert tracing.outgoing()["traceparent"].endswith("-00")
        assert tracing.exemplar() is None
        assert "trace_id" not in line()
    assert ended(kept) == {}


def test_a_state_is_handed_on_unless_it_is_too_long(kept: InMemorySpanExporter) -> None:
    with tracing.span("short", caller=CALLER | {"tracestate": "vendor=1"}):
        assert tracing.outgoing()["tracestate"] == "vendor=1"
    with tracing.span("long", caller=CALLER | {"tracestate": f"vendor={'x' * 600}"}):
        assert set(tracing.outgoing()) == {"traceparent"}


def test_a_failure_is_told_by_its_type_alone(kept: InMemorySpanExporter) -> None:
    with suppress(ValueError), tracing.span("request"):
        raise ValueError("a secret")
    request = ended(kept)["request"]
    assert dict(request.attributes or {}) == {"error.type": "ValueError"}
    assert request.events == ()
    assert not request.status.is_ok
    assert request.status.description is None


@pytest.mark.parametrize("left", [asyncio.CancelledError, GeneratorExit, grpc.aio.AbortError])
def test_who_leaves_or_is_refused_is_no_failure(
    kept: InMemorySpanExporter, left: type[BaseException]
) -> None:
    with suppress(left), tracing.span("request"):
        raise left
    request = ended(kept)["request"]
    assert request.status.is_unset
    assert not request.attributes


@pytest.mark.parametrize("url", ["collector:4318", "grpc://collector:4317", "collector"])
def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    with pytest.raises(ValueError, match="where OTLP is taken over HTTP"):
        ListeningSettings()
