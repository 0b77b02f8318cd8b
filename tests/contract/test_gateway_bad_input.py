"""Requests that make no sense: refused in the envelope, by name, before any service is asked."""

import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from gateway.app import create_app
from gateway.upstreams import Upstreams
from tests.fakes.gateway import settings_for

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
BODY = {"messages": [{"role": "user", "content": "Why?"}]}
WAV = ("clip.wav", b"RIFF", "audio/wav")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    # There is no service behind it, so what validation lets pass ends as 404.
    return create_app(settings_for(tmp_path_factory.mktemp("home")), Upstreams({}), None)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


def refused(response: httpx.Response) -> dict[str, str | None]:
    assert response.status_code == 400
    assert response.headers["x-request-id"]
    assert set(response.json()) == {"error"}
    error: dict[str, str | None] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return error


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"\xff\xfe{}", None),
        (b'{"messages": [{"role": "user", "content": "\xff"}]}', None),
        (b"[" * 100_000, None),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None),
        (b"[]", None),
        (b"null", None),
        (b"{}", "messages"),
        (b'{"messages": []}', "messages"),
        (b'{"messages": "hi"}', "messages"),
        (b'{"messages": [{"role": "king", "content": "hi"}]}', "messages[0].role"),
        (b'{"messages": [{"role": "user"}]}', "messages[0]"),
        (b'{"messages": [{"role": "user", "content": 3}]}', "messages[0].content"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "messages[0].content[0].text"),
        (b'{"messages": [{"role": "tool", "content": "x"}]}', "messages[0]"),
        (b'{"messages": [{"role": "function", "content": "x"}]}', "messages[0]"),
        (
            b'{"messages": [{"role": "user", "content": "x", "tool_calls": [{"id": "c", '
            b'"function": {"name": "f", "arguments": "{}"}}]}]}',
            "messages[0]",
        ),
        (
            b'{"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}',
            "messages[0].content[0]",
        ),
    ],
)
async def test_bad_bodies_are_bad_requests(
    client: httpx.AsyncClient, body: bytes, param: str | None
) -> None:
    began = time.process_time()  # However busy this machine is.
    response = await client.post(CHAT, content=body, headers=JSON)
    assert time.process_time() - began < 2
    assert refused(response)["param"] == param


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "0.5"),
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("top_p", -0.1),
        ("max_tokens", 0),
        ("max_tokens", True),
        ("max_completion_tokens", 2**31),
        ("max_completion_tokens", 1.5),
        ("presence_penalty", -3),
        ("frequency_penalty", 3),
        ("seed", 2**63),
        ("n", 0),
        ("n", 100),
        ("n", -1),
        ("top_p", 1.1),
        ("temperature", -1),
        ("max_tokens", -1),
        ("top_k", -1),
        ("tool_choice", "required"),
        ("tool_choice", "perhaps"),
        ("tool_choice", {"type": "function", "function": {"name": "nobody"}}),
        ("functions", [{}]),
        ("function_call", {"name": "f"}),
        ("logprobs", 3),
        ("top_logprobs", 3),
        ("logit_bias", {"fifty": -100}),
        ("logit_bias", [50256]),
        ("logit_bias", {str(n): 1 for n in range(1025)}),
        ("adapter", "x" * 300),
        ("response_format", "json"),
        ("modalities", ["text", "audio"]),
        ("stop", ["a", "b", "c", "d", "e"]),
        ("stop", 3),
        ("stream", "yes"),
        ("model", 3),
        ("priority", 3),
        ("priority", "0"),
        ("service_tier", "vip"),
    ],
)
async def test_values_out_of_range_are_named(
    client: httpx.AsyncClient, field: str, value: object
) -> None:
    content = json.dumps({**BODY, field: value})
    response = await client.post(CHAT, content=content, headers=JSON)
    assert refused(response)["param"] == field


async def test_a_bad_priority_header_is_a_bad_request(client: httpx.AsyncClient) -> None:
    response = await client.post(CHAT, json=BODY, headers={"x-request-priority": "high"})
    assert refused(response)["param"] == "priority"


async def test_stream_options_need_a_stream(client: httpx.AsyncClient) -> None:
    response = await client.post(CHAT, json={**BODY, "stream_options": {}})
    assert refused(response)


@pytest.mark.parametrize("route", ["transcriptions", "translations", "classifications"])
@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"files": {"file": ("empty.wav", b"", "audio/wav")}}, "file"),
        ({"files": {"other": ("clip.wav", b"RIFF", "audio/wav")}}, "file"),
        ({"files": {"file": (None, b"text")}}, "file"),
        ({"files": {"file": WAV}, "data": {"priority": "9"}}, "priority"),
        ({"files": {"file": WAV}, "data": {"model": "x" * 300}}, "model"),
    ],
)
async def test_bad_forms_name_the_field(
    client: httpx.AsyncClient, route: str, form: dict[str, object], param: str | None
) -> None:
    response = await client.post(f"/v1/audio/{route}", **form)  # type: ignore[arg-type]
    error = refused(response)
    assert error["param"] == param
    assert "<class" not in str(error["message"])


@pytest.mark.parametrize("route", ["transcriptions", "translations"])
async def test_there_is_one_file_to_write_down(client: httpx.AsyncClient, route: str) -> None:
    response = await client.post(f"/v1/audio/{route}", files=[("file", WAV), ("file", WAV)])
    assert refused(response)["param"] is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"language": "klingon"}, "language"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"temperature": "nan"}, "temperature"),
        ({"temperature": "2"}, "temperature"),
        ({"stream": "perhaps"}, "stream"),
        ({"stream": "true", "response_format": "srt"}, "response_format"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities[]"),
        (
            {"timestamp_granularities[]": "hour", "response_format": "verbose_json"},
            "timestamp_granularities[][0]",
        ),
    ],
)
async def test_bad_fields_of_a_transcription_are_named(
    client: httpx.AsyncClient, fields: dict[str, str], param: str
) -> None:
    response = await client.post("/v1/audio/transcriptions", files={"file": WAV}, data=fields)
    assert refused(response)["param"] == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream": "true", "response_format": "vtt"}, "response_format"),
        ({"stream": "true", "include[]": "emotion"}, "include[]"),
        ({"include[]": "logprobs", "response_format": "verbose_json"}, "include[]"),
    ],
)
async def test_bad_fields_of_a_translation_are_named(
    client: httpx.AsyncClient, fields: dict[str, str], param: str
) -> None:
    response = await client.post("/v1/audio/translations", files={"file": WAV}, data=fields)
    assert refused(response)["param"] == param


async def test_what_asks_for_nothing_special_passes(client: httpx.AsyncClient) -> None:
    harmless = {
        "n": 1,
        "tools": [],
        "tool_choice": "none",
        "logprobs": False,
        "logit_bias": {},
        "parallel_tool_calls": True,
        "stream_options": None,
        "store": True,
        "metadata": {"a": "b"},
        "n_threads": 4,
        "n_gpu_layers": 35,
        "top_p": 0,
        "modalities": ["text"],
        "user": "me",
        "stop": None,
        "temperature": None,
        "max_tokens": None,
        "response_format": {"type": "text"},
        "service_tier": "auto",
        "model": None,
    }
    response = await client.post(CHAT, json={**BODY, **harmless})
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": "a" * 4097}, "input"),
        ({"input": "Hi.", "speed": 5}, "speed"),
        ({"input": "Hi.", "response_format": "midi"}, "response_format"),
        ({"input": "Hi.", "voice": 3}, "voice"),
        ({"input": "Hi.", "voice_preset": 3}, "voice_preset"),
        ({"input": "Hi.", "voice_preset": "v" * 257}, "voice_preset"),
        ({"input": "Hi.", "voice": "a", "voice_preset": "b"}, "voice_preset"),
        ({"input": "Hi.", "voice": {"id": "a"}, "voice_preset": "b"}, "voice_preset"),
        ({"input": "Hi.", "stream_format": "tape"}, "stream_format"),
    ],
)
async def test_bad_speech_requests_name_the_field(
    client: httpx.AsyncClient, body: dict[str, object], param: str
) -> None:
    response = await client.post("/v1/audio/speech", json=body)
    assert refused(response)["param"] == param
