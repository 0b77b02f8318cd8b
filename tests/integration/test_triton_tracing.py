"""What a real Triton server tells a collector of the calls that it gets."""

from collections.abc import Iterator

import numpy as np
import pytest

from services.runtime import tracing
from services.runtime.triton.interface import Tensors
from services.runtime.triton.server import Call, TritonServer
from tests.integration.collector import Collector, Span, collecting
from tests.integration.triton_server import Triton
from tests.integration.triton_toys import INTERFACES, write_toys

ONE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TritonServer, Collector]]:
    """A service's side of a server, both of which tell the collector."""
    folder = tmp_path_factory.mktemp("toys")
    with collecting() as collector, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        secret = {"OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=ours"}
        process = Triton(
            folder,
            secret | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
            write_toys(folder),
        )
        process.start()
        server = TritonServer(process.url, timeout=30)
        tracing.start("service", collector.url)
        for name in ("echo", "count"):
            server.load(name, INTERFACES[name], timeout=30)
        yield server, collector
        server.close()
        process.stop()
        tracing.stop()


def caller(trace: str, *, kept: bool = True) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-00f067aa0ba902b7-0{int(kept)}"}


def x(*numbers: float) -> Tensors:
    return {"X": np.array(numbers, np.float32)}


def named(spans: list[Span], name: str) -> Span:
    [found] = [span for span in spans if span.name == name]
    return found


def test_a_call_of_triton_is_part_of_the_trace_that_calls_it(
    told: tuple[TritonServer, Collector],
) -> None:
    server, collector = told
    with tracing.span("first", caller=caller(ONE)):
        server.infer("echo", x(3141592), Call())
    with tracing.span("second", caller=caller(ONE)):
        assert len(list(server.stream("count", x(3, 0, 1), Call()))) == 3

    spans = collector.trace(ONE, 8)
    asked = [span for span in spans if span.service == "orfeon-triton" and "Infer" in span.name]
    assert {span.parent for span in asked} == {named(spans, "first").id, named(spans, "second").id}
    for model in ("echo", "count"):
        assert named(spans, model).parent in {span.id for span in asked}
        assert named(spans, model).attributes["triton.model_name"] == model
    of_triton = [each for each in collector.headers if "Cpp" in each["user-agent"]]
    assert {each["x-tenant"] for each in of_triton} == {"ours"}
    assert not any(b"3141592" in sent for sent in collector.sent)


def test_what_is_not_kept_costs_triton_nothing(told: tuple[TritonServer, Collector]) -> None:
    server, collector = told
    with tracing.span("dropped", caller=caller(OTHER, kept=False)):
        server.infer("echo", x(1), Call())
    server.infer("echo", x(2), Call())
    last = ONE[::-1]
    with tracing.span("later", caller=caller(last)):
        server.infer("echo", x(3), Call())

    collector.trace(last, 4)
    of_triton = {span.trace for span in collector.spans if span.service == "orfeon-triton"}
    assert of_triton == {ONE, last}
