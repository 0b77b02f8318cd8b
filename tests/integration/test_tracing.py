"""Traces of a running `orfeon serve`, as a collector receives them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
from google.protobuf.json_format import ParseDict
from websockets.sync.client import connect

from orfeon.access import read_access
from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from tests.fakes.ports import free_port
from tests.integration.collector import Collector, Span, collecting

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET_WORD = "xylophonist"
CHAT = "/v1/chat/completions"
QUESTION = {"messages": [{"role": "user", "content": f"Who is the {SECRET_WORD}?"}]}
OPEN_METRICS = {"accept": "application/openmetrics-text; version=1.0.0"}


@dataclass(frozen=True)
class Served:
    """A running `orfeon serve` that tells a collector."""

    http: httpx.Client
    rpc: grpc.Channel
    key: str
    metrics: str
    logs: Path
    collector: Collector


def named(spans: list[Span], name: str) -> Span:
    [found] = [span for span in spans if span.name == name]
    return found


def traceparent(trace: str, *, kept: bool = True) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{PARENT}-0{int(kept)}"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    rpc_port, metrics_port = free_port(), free_port()
    with collecting() as collector:
        process = subprocess.Popen(
            [sys.executable, "-c", "from orfeon.cli import main; main()", "serve",
             "--engine", "fake", "--capabilities", "chat,emotion", "--port", "0",
             "--grpc-port", str(rpc_port), "--studio-port", "0",
             "--metrics-base-port", str(metrics_port),
             "--home", str(home)],
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
                "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=ours",
                "OTEL_BSP_SCHEDULE_DELAY": "50",
                # FastAPI would make spans of its own beside ours.
                "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
            },
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            assert any("Ctrl-C stops" in line for line in process.stdout)
            access = read_access(home)
            key, url = access.api_key or "", (access.base_url or "").removesuffix("/v1")
            with (
                httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}) as http,
                grpc.insecure_channel(f"127.0.0.1:{rpc_port}") as rpc,
            ):
                metrics = f"http://127.0.0.1:{metrics_port}/metrics"
                yield Served(http, rpc, key, metrics, home / "logs", collector)
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()


def test_a_request_is_one_trace_from_the_client_to_the_engine(served: Served) -> None:
    trace = TRACE.replace("4", "1")
    answer = served.http.post(CHAT, json=QUESTION, headers=traceparent(trace))
    assert answer.status_code == 200

    spans = served.collector.trace(trace, 4)
    at_gateway, at_service = named(spans, f"POST {CHAT}"), named(spans, "ChatCompletion")
    assert (at_gateway.service, at_gateway.parent) == ("orfeon-gateway", PARENT)
    assert (at_service.service, at_service.parent) == ("orfeon-chat", at_gateway.id)
    for name in ("queue", "inference"):
        assert named(spans, name).parent == at_service.id
    assert not any(span.failed for span in spans)
    assert at_gateway.attributes["http.response.status_code"] == "200"
    assert at_gateway.attributes["gen_ai.operation.name"] == "chat"
    request_id = answer.headers["x-request-id"]
    assert {at_gateway.attributes["orfeon.request_id"]} == {request_id}
    assert {at_service.attributes["orfeon.request_id"]} == {request_id}
    assert named(spans, "inference").attributes["gen_ai.request.model"] == answer.json()["model"]
    assert served.collector.headers[-1]["x-tenant"] == "ours"


def test_a_stream_is_one_trace(served: Served) -> None:
    trace = TRACE.replace("4", "2")
    body = QUESTION | {"stream": True}
    with served.http.stream("POST", CHAT, json=body, headers=traceparent(trace)) as answer:
        assert answer.read().endswith(b"[DONE]\n\n")

    spans = served.collector.trace(trace, 4)
    assert named(spans, "StreamChatCompletion").parent == named(spans, f"POST {CHAT}").id


def test_a_live_stream_is_one_span_as_long_as_it_lasts(served: Served) -> None:
    trace = TRACE.replace("4", "3")
    path = "/v1/audio/classifications/stream"
    headers = traceparent(trace) | {"authorization": f"Bearer {served.key}"}
    url = str(served.http.base_url.join(path)).replace("http", "ws")
    with connect(url, additional_headers=headers) as stream:
        stream.send(bytes(64_000))
        stream.send(json.dumps({"type": "input_audio.done"}))
        assert [json.loads(message)["type"] for message in stream][-1] == "session.finished"

    served.collector.until(
        lambda: any(span.name == f"GET {path}" for span in served.collector.spans), "live span"
    )
    spans = served.collector.trace(trace, 2)
    assert named(spans, f"GET {path}").attributes["http.response.status_code"] == "101"
    [at_service] = [span for span in spans if span.parent == named(spans, f"GET {path}").id]
    assert at_service.service == "orfeon-emotion"


def test_grpc_is_traced_as_http_is(served: Served) -> None:
    trace = TRACE.replace("4", "5")
    stub = chat_pb2_grpc.ChatServiceStub(served.rpc)
    question = {"role": "ROLE_USER", "content": [{"text": f"Hello, {SECRET_WORD}."}]}
    metadata = {"authorization": f"Bearer {served.key}", **traceparent(trace)}
    request = ParseDict(
        {"completion": {"messages": [question]}}, chat_pb2.StreamChatCompletionRequest()
    )
    assert list(stub.StreamChatCompletion(request, metadata=tuple(metadata.items())))

    spans = served.collector.trace(trace, 4)
    at_gateway = named(spans, "GRPC /orfeon.api.chat.v1.ChatService/StreamChatCompletion")
    assert at_gateway.parent == PARENT
    assert named(spans, "StreamChatCompletion").parent == at_gateway.id


def test_who_names_no_trace_begins_one(served: Served) -> None:
    answer = served.http.post(CHAT, json=QUESTION, headers={"x-request-id": "req_of_mine"})
    assert answer.status_code == 200

    def mine() -> list[Span]:
        spans = served.collector.spans
        return [each for each in spans if each.attributes.get("orfeon.request_id") == "req_of_mine"]

    served.collector.until(lambda: len(mine()) == 2, "trace of its own")
    first = next(span for span in mine() if span.service == "orfeon-gateway")
    assert first.parent == ""
    assert {span.trace for span in mine()} == {first.trace}


@pytest.mark.parametrize("header", ["", "00", "no trace", f"00-{0:032}-{0:016}-01"])
def test_a_traceparent_that_is_none_is_passed_over(served: Served, header: str) -> None:
    headers = {"traceparent": header, "tracestate": "=;," * 40}
    assert served.http.post(CHAT, json=QUESTION, headers=headers).status_code == 200


def test_a_state_that_is_too_long_for_grpc_is_left_behind(served: Served) -> None:
    trace = TRACE.replace("4", "b")
    state = ",".join(f"vendor{number}={'x' * 250}" for number in range(32))
    headers = traceparent(trace) | {"tracestate": state}
    assert served.http.post(CHAT, json=QUESTION, headers=headers).status_code == 200
    assert named(served.collector.trace(trace, 4), f"POST {CHAT}").parent == PARENT


def test_what_a_client_does_not_keep_is_not_kept(served: Served) -> None:
    trace = TRACE.replace("4", "6")
    headers = traceparent(trace, kept=False)
    assert served.http.post(CHAT, json=QUESTION, headers=headers).status_code == 200
    later = TRACE.replace("4", "7")
    assert served.http.post(CHAT, json=QUESTION, headers=traceparent(later)).status_code == 200

    assert len(served.collector.trace(later, 4)) == 4
    assert trace not in {span.trace for span in served.collector.spans}


def test_a_refusal_is_told_and_is_no_fault_of_ours(served: Served) -> None:
    trace = TRACE.replace("4", "8")
    unknown = QUESTION | {"model": "no-such-model"}
    assert served.http.post(CHAT, json=unknown, headers=traceparent(trace)).status_code == 404
    stub = chat_pb2_grpc.ChatServiceStub(served.rpc)
    with pytest.raises(grpc.RpcError):
        stub.ChatCompletion(
            chat_pb2.ChatCompletionRequest(), metadata=tuple(traceparent(trace).items())
        )

    spans = served.collector.trace(trace, 3)
    over_grpc = named(spans, "GRPC /orfeon.api.chat.v1.ChatService/ChatCompletion")
    assert over_grpc.attributes["error.type"] == "invalid_api_key"
    assert named(spans, f"POST {CHAT}").attributes["error.type"] == "model_not_found"
    assert named(spans, "ChatCompletion").attributes["orfeon.outcome"] == "MODEL_NOT_FOUND"
    assert not any(span.failed for span in spans)


def test_histograms_and_log_lines_lead_to_the_trace(served: Served) -> None:
    trace = TRACE.replace("4", "9")
    assert served.http.post(CHAT, json=QUESTION, headers=traceparent(trace)).status_code == 200
    served.collector.trace(trace, 4)

    exemplar = f'# {{trace_id="{trace}"}}'
    for url, metric in (
        ("/metrics", "orfeon_gateway_request_duration_seconds_bucket"),
        (served.metrics, "orfeon_request_duration_seconds_bucket"),
    ):
        page = served.http.get(url, headers=OPEN_METRICS).text
        assert any(line.startswith(metric) and exemplar in line for line in page.splitlines()), page
        assert exemplar not in served.http.get(url, headers={"accept": "text/plain"}).text
    for name, message in (("gateway", "answered"), ("chat", "call ended")):
        lines = map(json.loads, (served.logs / f"{name}.log").read_text().splitlines())
        assert any(each.get("trace_id") == trace for each in lines if each["message"] == message)


def test_nothing_that_was_said_or_is_secret_is_in_a_trace(served: Served) -> None:
    trace = TRACE.replace("4", "a")
    assert served.http.post(CHAT, json=QUESTION, headers=traceparent(trace)).status_code == 200
    served.collector.trace(trace, 4)

    everything = b"".join(served.collector.sent)
    assert trace.encode() not in everything
    assert bytes.fromhex(trace) in everything
    for word in (SECRET_WORD, served.key, "You said", "Hello,"):
        assert word.encode() not in everything
