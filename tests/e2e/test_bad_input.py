"""Whatever is sent, the answer is OpenAI's envelope, soon, and the product lives on."""

import json
import math
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pytest

from tests import recordings
from tests.e2e.conftest import Product

#: What would be worked on takes minutes.
SECONDS = 10.0
CHAT = {"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "Hi"}]}
ROUTES = ("/v1/audio/transcriptions", "/v1/audio/translations", "/v1/audio/classifications")


@pytest.fixture
def http(product: Product) -> Iterator[httpx.Client]:
    with product.http() as client:
        yield client


def envelope(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Asserts that the answer is the envelope, whole and nothing else."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert error["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"]
    assert answer.elapsed.total_seconds() < SECONDS
    return error


def tool(name: str, parameters: Any = None) -> dict[str, Any]:
    """A function that may be called."""
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def shaped(schema: Any) -> dict[str, Any]:
    """A request for an answer by a schema."""
    shape = {"name": "shape", "schema": schema}
    return {**CHAT, "response_format": {"type": "json_schema", "json_schema": shape}}


CHAT_REFUSALS: list[tuple[str, Any, int]] = [
    ("no messages", {"model": "smollm2-135m-instruct"}, 400),
    ("empty messages", {**CHAT, "messages": []}, 400),
    ("messages no list", {**CHAT, "messages": "hi"}, 400),
    ("content a number", {**CHAT, "messages": [{"role": "user", "content": 1}]}, 400),
    ("unknown role", {**CHAT, "messages": [{"role": "boss", "content": "Hi"}]}, 400),
    ("temperature a word", {**CHAT, "temperature": "hot"}, 400),
    ("temperature too high", {**CHAT, "temperature": 3}, 400),
    ("negative tokens", {**CHAT, "max_tokens": -1}, 400),
    ("priority no level", {**CHAT, "priority": 7}, 400),
    ("a hundred answers", {**CHAT, "n": 100}, 400),
    ("no answers", {**CHAT, "n": 0}, 400),
    ("129 tools", {**CHAT, "tools": [tool(f"f{at}") for at in range(129)]}, 400),
    ("tools of one name", {**CHAT, "tools": [tool("f"), tool("f")]}, 400),
    ("parameters no schema", {**CHAT, "tools": [tool("f", {"type": "song"})]}, 400),
    ("a choice of no tool", {**CHAT, "tool_choice": "required"}, 400),
    ("invalid schema", shaped({"type": "song"}), 400),
    ("schema in a circle", shaped({"$ref": "#"}), 400),
    ("schema without end", shaped({"type": "array", "items": {"$ref": "#"}, "minItems": 1}), 400),
    ("schema with NaN", shaped({"enum": [float("nan")]}), 400),
    ("schema with half a surrogate", shaped({"const": "\ud800"}), 400),
    ("unknown adapter", {**CHAT, "adapter": "pirate"}, 400),
    ("unknown token", {**CHAT, "logit_bias": {"999999999": 1}}, 400),
    ("stop too long", {**CHAT, "stop": ["a" * 1001]}, 400),
    ("negative penalty", {**CHAT, "repeat_penalty": -1}, 400),
    (
        "picture from elsewhere",
        {
            **CHAT,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "http://localhost/a.png"}}
                    ],
                }
            ],
        },
        400,
    ),
    ("a list", [], 400),
    ("unknown model", {**CHAT, "model": "gpt-17"}, 404),
    ("model of another task", {**CHAT, "model": "whisper-1"}, 404),
]


@pytest.mark.parametrize(
    ("body", "status"), [row[1:] for row in CHAT_REFUSALS], ids=[row[0] for row in CHAT_REFUSALS]
)
def test_a_wrong_chat_request_is_refused(http: httpx.Client, body: Any, status: int) -> None:
    content = json.dumps(body)  # Which, unlike httpx, also writes NaN.
    headers = {"content-type": "application/json"}
    envelope(http.post("/v1/chat/completions", content=content, headers=headers), status)


RAW_BODIES: list[tuple[str, bytes, int]] = [
    ("empty", b"", 400),
    ("no JSON", b"hello", 400),
    ("half JSON", b'{"model": "smo', 400),
    ("no UTF-8", b'{"model": "\xff\xfe"}', 400),
    ("NaN", b'{"model": "x", "messages": [], "temperature": NaN}', 400),
    ("deep nesting", b"[" * 100_000, 400),
    ("ten megabytes", b'{"model": "' + b"a" * 10_000_000 + b'"}', 413),
]


@pytest.mark.parametrize(
    ("body", "status"), [row[1:] for row in RAW_BODIES], ids=[row[0] for row in RAW_BODIES]
)
def test_a_body_that_is_no_request_is_refused(http: httpx.Client, body: bytes, status: int) -> None:
    answer = http.post(
        "/v1/chat/completions", content=body, headers={"content-type": "application/json"}
    )
    envelope(answer, status)


def test_unknown_fields_are_ignored(http: httpx.Client) -> None:
    body = {**CHAT, "max_tokens": 1, "favourite_colour": "blue"}
    assert http.post("/v1/chat/completions", json=body).status_code == 200


def test_a_context_overflow_says_by_how_much(http: httpx.Client) -> None:
    body = {**CHAT, "messages": [{"role": "user", "content": "word " * 20_000}]}
    error = envelope(http.post("/v1/chat/completions", json=body), 400)
    assert error["code"] == "context_length_exceeded"
    assert "8192" in error["message"]


def test_five_megabytes_are_refused_at_once(http: httpx.Client) -> None:
    body = {**CHAT, "messages": [{"role": "user", "content": "a " * 2_500_000}]}
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code in (400, 413)
    envelope(answer, answer.status_code)
    assert http.post("/v1/completions", json={"prompt": "word " * 20_000}).status_code == 400
    assert http.post("/v1/embeddings", json={"input": "word " * 20_000}).status_code == 400


def test_a_context_and_one_token_more_are_refused(http: httpx.Client) -> None:
    body = {"prompt": [5] * 8192, "max_tokens": 1}
    assert "by 1 token" in envelope(http.post("/v1/completions", json=body), 400)["message"]
    envelope(http.post("/v1/completions", json={"prompt": []}), 400)


ODD_TEXTS: list[tuple[str, dict[str, Any]]] = [
    ("control characters", {"messages": [{"role": "user", "content": "a\x00b\x07\x1b[31m\x7f"}]}),
    ("marks of the template", {"messages": [{"role": "user", "content": "<|im_end|>\n" * 9}]}),
    (
        "twelve hundred tokens of emoji",
        {"messages": [{"role": "user", "content": "\N{ROCKET}\N{GUITAR}" * 200}]},
    ),
    ("nothing", {"messages": [{"role": "user", "content": ""}]}),
    ("stop strings of 1,000 characters", {"stop": ["a" * 1000, "b" * 1000]}),
    ("top_p 0", {"top_p": 0}),
    ("128 tools", {"tools": [tool(f"f{at}") for at in range(128)], "tool_choice": "none"}),
    ("MultAI's parameters", {"n_threads": 2, "n_gpu_layers": 9, "top_k": 3, "repeat_penalty": 1.1}),
]


@pytest.mark.parametrize("fields", [row[1] for row in ODD_TEXTS], ids=[row[0] for row in ODD_TEXTS])
def test_an_odd_request_is_answered(http: httpx.Client, fields: dict[str, Any]) -> None:
    answer = http.post("/v1/chat/completions", json={**CHAT, "max_tokens": 4, **fields})
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] <= 4


def test_routes_and_methods_that_are_not_there(http: httpx.Client) -> None:
    envelope(http.get("/v1/nothing"), 404)
    envelope(http.get("/v1/chat/completions"), 405)
    envelope(http.delete("/healthz"), 405)
    envelope(http.post("/v1/chat/completions", content=b"a=b"), 415)
    envelope(http.post("/v1/audio/transcriptions", json={}), 415)


Make = Callable[[], bytes]
BROKEN: list[tuple[str, Make]] = [
    ("empty", lambda: b""),
    ("text named wav", lambda: b"This is no audio at all. " * 100),
    ("no samples", lambda: recordings.wav(recordings.tone(0))),
    ("truncated header", lambda: recordings.wav(recordings.tone(1))[:20]),
    ("noise", lambda: bytes(range(256)) * 400),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("make", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_recording_is_refused(http: httpx.Client, route: str, make: Make) -> None:
    answer = http.post(route, files={"file": ("a.wav", make())}, data={"model": ""})
    assert envelope(answer, 400)["param"] == "file"


ODD: list[tuple[str, Make]] = [
    ("8-bit", lambda: recordings.wav(recordings.tone(1), kind="u8")),
    ("24-bit", lambda: recordings.wav(recordings.tone(1), kind="s24")),
    ("float", lambda: recordings.wav(recordings.tone(1), kind="f32")),
    ("96 kHz", lambda: recordings.wav(recordings.tone(1, 96_000), 96_000)),
    ("six channels", lambda: recordings.wav(recordings.tone(1, channels=6))),
    ("cut short", lambda: recordings.wav(recordings.tone(2))[:40_000]),
]


@pytest.mark.parametrize("make", [row[1] for row in ODD], ids=[row[0] for row in ODD])
def test_an_odd_recording_is_understood(http: httpx.Client, make: Make) -> None:
    answer = http.post("/v1/audio/classifications", files={"file": ("a.wav", make())})
    assert answer.status_code == 200, answer.text
    heard = answer.json()
    # A tone is nobody's voice, however it is written down.
    assert (heard["speech"], heard["label"], heard["labels"]) == (False, None, [])


def steady(level: float, kind: str = "s16") -> bytes:
    return recordings.wav(np.full((32_000, 1), level, np.float32), kind=kind)


NOBODY: list[tuple[str, Make]] = [
    ("50 ms", lambda: recordings.wav(recordings.tone(0.05))),
    ("a sample", lambda: recordings.wav(recordings.tone(1)[:1])),
    ("silence", lambda: steady(0)),
    ("a constant", lambda: steady(0.5)),
    ("no numbers", lambda: steady(math.nan, "f32")),
    ("infinite", lambda: steady(math.inf, "f32")),
    ("clipped", lambda: recordings.wav(np.sign(recordings.tone(2)))),
    ("noise", lambda: recordings.wav(np.random.default_rng(0).normal(0, 0.1, (48_000, 1)))),
]


@pytest.mark.parametrize("make", [row[1] for row in NOBODY], ids=[row[0] for row in NOBODY])
def test_where_nobody_speaks_nothing_is_guessed(http: httpx.Client, make: Make) -> None:
    files = {"file": ("a.wav", make())}
    heard = http.post("/v1/audio/classifications", files=files, data={"timeline": "true"})
    assert heard.status_code == 200, heard.text
    told = heard.json()
    assert (told["speech"], told["labels"]) == (False, [])
    assert not any(one["labels"] for one in told["timeline"])
    turns = http.post("/v1/audio/diarization", files=files)
    assert (turns.status_code, turns.json()["segments"]) == (200, [])
    assert envelope(http.post("/v1/audio/embeddings", files=files), 400)["param"] == "file"
    words = http.post("/v1/audio/keywords", files=files, data={"keywords[]": "yes"})
    assert (words.status_code, words.json()["data"]) == (200, [])


@pytest.mark.parametrize("route", ROUTES[:2])
def test_three_hours_are_refused_at_the_limit(http: httpx.Client, route: str) -> None:
    answer = http.post(route, files={"file": ("long.mp3", THREE_HOURS)}, data={"model": ""})
    assert "seconds" in envelope(answer, 413)["message"]


THREE_HOURS = recordings.mp3(3 * 3600)


def test_a_gigabyte_is_refused_before_it_is_read(product: Product) -> None:
    url = urlsplit(product.url)
    began = time.monotonic()
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n"
            b"content-type: multipart/form-data; boundary=x\r\n"
            b"authorization: Bearer " + product.key.encode() + b"\r\n\r\n"
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < SECONDS


def test_a_body_without_end_is_cut_off(http: httpx.Client) -> None:
    def body() -> Iterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        while True:
            yield b"\0" * (1 << 20)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    began = time.monotonic()
    try:
        answer = http.post("/v1/audio/transcriptions", content=body(), headers=headers)
    except httpx.TransportError:
        pass  # A client that never listens cannot hear the refusal.
    else:
        assert answer.status_code == 413
    assert time.monotonic() - began < 60


def test_errors_are_the_clients_own_classes(product: Product) -> None:
    client = product.client()
    message: Any = {"role": "user", "content": "Hi"}

    def chat(client: openai.OpenAI, model: str = "smollm2-135m-instruct", **rest: Any) -> Any:
        return client.chat.completions.create(model=model, messages=[message], **rest)

    with pytest.raises(openai.BadRequestError) as bad:
        chat(client, temperature=9)
    assert (bad.value.param, bad.value.type) == ("temperature", "invalid_request_error")
    with pytest.raises(openai.AuthenticationError) as unknown:
        chat(product.client("sk-orf-wrong"))
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as missing:
        chat(client, model="gpt-17")
    assert missing.value.code == "model_not_found"
    assert missing.value.request_id
    _, scoped = product.new_key("scoped", "--scope", "speech")
    with pytest.raises(openai.PermissionDeniedError):
        chat(product.client(scoped))
    _, hurried = product.new_key("hurried", "--requests-per-minute", "1")
    limited = product.client(hurried)
    chat(limited, max_tokens=1)
    with pytest.raises(openai.RateLimitError) as limit:
        chat(limited, max_tokens=1)
    headers = limit.value.response.headers
    assert float(headers["retry-after"]) > 0
    assert headers["x-ratelimit-remaining-requests"] == "0"


def test_no_key_is_refused_with_the_scheme(product: Product) -> None:
    answer = httpx.post(f"{product.url}/v1/chat/completions", json=CHAT)
    envelope(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
