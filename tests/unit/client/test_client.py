"""The client, sync and async, against a gateway that is a function."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import orfeon
from orfeon import calls, voicecalls
from orfeon.transport import AsyncTransport, Transport

Handler = Callable[[httpx.Request], httpx.Response]

CLASSIFICATION = {
    "object": "audio.classification",
    "model": "emotion-whisper-tiny",
    "duration": 2.5,
    "labels": [{"label": "happy", "score": 0.9}, {"label": "sad", "score": 0.1}],
}
ERROR = {"message": "Say less.", "type": "invalid_request_error", "param": "file", "code": "x"}


def client(handler: Handler, **options: Any) -> orfeon.Orfeon:
    return orfeon.Orfeon(
        "http://gateway.test", "key", transport=httpx.MockTransport(handler), **options
    )


def waiting(handler: Handler, retries: int = 2) -> tuple[Transport, list[float]]:
    """A transport whose waits are written down instead."""
    waits: list[float] = []
    options = calls.options("http://gateway.test", None, 1.0)
    http = httpx.Client(transport=httpx.MockTransport(handler), **options)
    return Transport(http, retries, waits.append), waits


def refusal(status: int, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json={"error": ERROR}, headers=named)


def test_a_recording_is_classified_with_every_label(tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=CLASSIFICATION)

    (tmp_path / "voice.wav").write_bytes(b"RIFFdata")
    found = client(handler).classify(tmp_path / "voice.wav", model="emotion", priority=2)

    assert found.best == orfeon.LabelScore("happy", 0.9)
    assert [row.label for row in found.labels] == ["happy", "sad"]
    assert (found.model, found.duration) == ("emotion-whisper-tiny", 2.5)
    (request,) = seen
    assert request.url == "http://gateway.test/v1/audio/classifications"
    assert request.headers["authorization"] == "Bearer key"
    body = request.read()
    for part in (b'filename="voice.wav"', b"RIFFdata", b'name="model"', b'name="priority"'):
        assert part in body


@pytest.mark.parametrize("file", [b"RIFFdata", io.BytesIO(b"RIFFdata")])
def test_bytes_and_open_files_are_recordings_too(file: calls.File) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert b"RIFFdata" in request.read()
        return httpx.Response(200, json=CLASSIFICATION)

    assert client(handler).classify(file).label == "happy"


MELODY = {"x-melody-seed": "7", "x-melody-duration": "30.5", "x-melody-key": "A minor"}


def test_a_melody_is_a_file_that_says_how_to_get_it_again(tmp_path: Path) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        wish = {"genre": "rock", "sections": [{"kind": "verse", "lines": [8]}]}
        assert json.loads(request.read()) == wish
        return httpx.Response(200, content=b"ID3", headers=MELODY)

    tune = client(handler).melody(genre="rock", sections=[{"kind": "verse", "lines": [8]}])
    tune.write_to_file(tmp_path / "tune.mp3")
    assert (tmp_path / "tune.mp3").read_bytes() == b"ID3"
    assert (tune.seed, tune.duration, tune.tempo, tune.key) == (7, 30.5, None, "A minor")


async def test_a_melody_to_follow_goes_with_the_wish() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        body = request.read()
        for part in (b"RIFFdata", b'name="duration"', b'[{"kind": "verse"}]'):
            assert part in body
        return httpx.Response(200, content=b"ID3", headers=MELODY | {"x-melody-tempo": "96"})

    transport = httpx.MockTransport(handler)
    async with orfeon.AsyncOrfeon("http://gateway.test", transport=transport) as gateway:
        tune = await gateway.melody(b"RIFFdata", duration=30.5, sections=[{"kind": "verse"}])
    assert (tune.content, tune.tempo) == (b"ID3", 96)


def test_genres_of_music_are_typed() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.params.get("model") in (None, "a/b c")
        row = {"id": "rock", "object": "genre", "slowest": 100, "fastest": 150}
        return httpx.Response(200, json={"object": "list", "data": [row]})

    with client(handler) as gateway:
        assert gateway.melody_genres() == [orfeon.MelodyGenre("rock", 100, 150)]
        assert gateway.melody_genres("a/b c") == gateway.melody_genres()


def test_models_and_voices_are_typed() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/audio/voices":
            rows: list[dict[str, Any]] = [{"id": "joe", "model": "piper", "language": "en-US"}]
        else:
            rows = [
                {
                    "id": "piper",
                    "created": 1,
                    "owned_by": "rhasspy",
                    "capabilities": {"capability": "speech", "tasks": ["speech"], "default": True},
                },
                {"id": "plain", "created": 1, "owned_by": "someone"},
            ]
        return httpx.Response(200, json={"object": "list", "data": rows})

    with client(handler) as gateway:
        assert gateway.voices() == [orfeon.Voice("joe", "piper", "en-US")]
        piper, plain = gateway.models()
    assert (piper.tasks, piper.default, piper.state) == (("speech",), True, "unknown")
    assert (piper.progress, piper.device, piper.pinned) == (None, None, False)
    assert plain.tasks == ()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, orfeon.BadRequestError),
        (401, orfeon.AuthenticationError),
        (403, orfeon.PermissionDeniedError),
        (404, orfeon.NotFoundError),
        (413, orfeon.ContentTooLargeError),
        (415, orfeon.BadRequestError),
        (418, orfeon.APIStatusError),
        (429, orfeon.RateLimitError),
        (500, orfeon.InternalServerError),
        (503, orfeon.ServiceUnavailableError),
    ],
)
def test_a_status_becomes_an_error_with_everything_the_envelope_says(
    status: int, kind: type[orfeon.APIStatusError]
) -> None:
    gateway = client(lambda request: refusal(status, x_request_id="req_1"), max_retries=0)

    with pytest.raises(kind) as caught:
        gateway.models()
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.param, error.type, error.request_id) == (
        status, "x", "file", "invalid_request_error", "req_1",
    )  # fmt: skip
    assert str(error) == error.message == "Say less."


def test_a_refusal_tells_the_place_in_the_queue_and_a_load_its_progress() -> None:
    full = refusal(429, x_queue_position="7", x_queue_estimated_wait_ms="2500")
    with pytest.raises(orfeon.RateLimitError) as caught:
        client(lambda request: full, max_retries=0).models()
    assert (caught.value.queue_position, caught.value.estimated_wait) == (7, 2.5)

    body = {"error": {**ERROR, "code": "model_loading", "progress": 0.25}}
    loading = httpx.Response(503, json=body, headers={"x-queue-position": "inf"})
    with pytest.raises(orfeon.ServiceUnavailableError) as waiting:
        client(lambda request: loading, max_retries=0).models()
    assert (waiting.value.progress, waiting.value.queue_position) == (0.25, None)


def test_models_are_loaded_and_unloaded_and_queue_and_usage_are_typed() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path:
            case "POST", "/v1/models/org/voice one/load":
                does = {"state": "loaded", **json.loads(request.read())}
            case "POST", "/v1/models/org/voice one/unload":
                does = {"state": "unloaded"}
            case "GET", "/v1/queue":
                row = {"request_id": "req_1", "model": "m", "capability": "chat", "priority": 1}
                row |= {"state": "queued", "seconds": 1, "position": 2}
                return httpx.Response(200, json={"data": [{**row, "estimated_wait_seconds": None}]})
            case "GET", "/v1/usage":
                assert request.url.params["days"] == "7"
                row = {"day": "2030-01-31", "key_id": "key_1", "capability": "chat", "requests": 2}
                row |= {"tokens": 30, "audio_seconds": 0}
                return httpx.Response(200, json={"data": [row], "has_more": False})
            case _:
                return refusal(404)
        row = {"id": "org/voice one", "created": 1, "owned_by": "me", "capabilities": does}
        return httpx.Response(200, json=row)

    with client(handler) as gateway:
        loaded = gateway.load_model("org/voice one", pinned=True)
        assert (loaded.state, loaded.pinned) == ("loaded", True)
        assert gateway.unload_model("org/voice one").state == "unloaded"
        assert gateway.queue() == [
            orfeon.QueueEntry("req_1", "m", "chat", 1, "queued", 1.0, 2, None)
        ]
        used = orfeon.Usage("2030-01-31", "key_1", "chat", 2, 30, 0.0)
        assert gateway.usage(days=7) == orfeon.UsagePage([used], has_more=False)


def test_an_error_without_an_envelope_is_still_one() -> None:
    gateway = client(lambda request: httpx.Response(502, text="<html>"), max_retries=0)

    with pytest.raises(orfeon.InternalServerError, match="The server answered 502 Bad Gateway"):
        gateway.models()


@pytest.mark.parametrize("body", ["[]", "{}", "null", '{"data": [{}]}', "<html>"])
def test_an_answer_that_is_not_the_gateways_is_an_error(body: str) -> None:
    with pytest.raises(orfeon.OrfeonError, match="not one of Orfeón's"):
        client(lambda request: httpx.Response(200, text=body)).models()


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after_ms": "1500", "retry_after": "2"}, 1.5),
        ({"retry_after": "3"}, 3.0),
        (
            {
                "retry_after": "Thu, 01 Jan 2026 00:00:09 GMT",
                "date": "Thu, 01 Jan 2026 00:00:05 GMT",
            },
            4.0,
        ),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_tried_again_when_the_gateway_says(
    status: int, headers: dict[str, str], wait: float
) -> None:
    answers = [refusal(status, **headers), httpx.Response(200, json={"data": []})]
    transport, waits = waiting(lambda request: answers.pop(0))

    assert transport.send(calls.models()) == []
    assert waits == [wait]


def test_without_a_time_the_wait_doubles_and_ends_with_the_error() -> None:
    transport, waits = waiting(lambda request: refusal(503))

    with pytest.raises(orfeon.ServiceUnavailableError):
        transport.send(calls.models())
    first, second = waits
    assert 0.375 <= first <= 0.5
    assert 0.75 <= second <= 1.0


@pytest.mark.parametrize(
    "response",
    [
        refusal(429, x_should_retry="false"),
        refusal(429, retry_after="3600"),
        refusal(500),
        refusal(400),
    ],
)
def test_what_cannot_succeed_soon_is_not_tried_again(response: httpx.Response) -> None:
    transport, waits = waiting(lambda request: response)

    with pytest.raises(orfeon.APIStatusError):
        transport.send(calls.models())
    assert waits == []


def test_a_file_that_cannot_be_rewound_is_sent_once() -> None:
    transport, waits = waiting(lambda request: refusal(503))

    with pytest.raises(orfeon.ServiceUnavailableError):
        transport.send(voicecalls.classify(io.BytesIO(b"x"), {}))
    assert waits == []


def test_a_path_is_read_again_for_each_attempt(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"sound")
    bodies: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return refusal(503) if len(bodies) < 2 else httpx.Response(200, json=CLASSIFICATION)

    transport, _ = waiting(handler)
    transport.send(voicecalls.classify(tmp_path / "a.wav", {}))
    assert [b"sound" in body for body in bodies] == [True, True]


def failing(kind: type[httpx.TransportError]) -> Handler:
    def handler(request: httpx.Request) -> httpx.Response:
        raise kind("no", request=request)

    return handler


def test_nobody_listening_is_tried_again_and_then_named() -> None:
    transport, waits = waiting(failing(httpx.ConnectError))

    with pytest.raises(orfeon.APIConnectionError, match=r"Nothing answers at http://gateway\.test"):
        transport.send(calls.models())
    assert len(waits) == 2


def test_a_timeout_has_its_own_class() -> None:
    with pytest.raises(orfeon.APITimeoutError):
        client(failing(httpx.ReadTimeout)).models()
    with pytest.raises(orfeon.APIConnectionError, match="broke"):
        client(failing(httpx.RemoteProtocolError)).models()


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://host", "http://:port", "http://", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(orfeon.OrfeonError, match="no address of a gateway"):
        calls.options(address, None, 1.0)


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORFEON_BASE_URL", "http://other.test/v1/")
    monkeypatch.setenv("ORFEON_API_KEY", "secret")

    def handler(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://other.test/v1/models"
        assert request.headers["authorization"] == "Bearer secret"
        return httpx.Response(200, json={"data": []})

    assert orfeon.Orfeon(transport=httpx.MockTransport(handler)).models() == []


async def test_the_async_client_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "voice.wav").write_bytes(b"RIFFdata")

    def handler(request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/v1/audio/classifications":
                assert b"RIFFdata" in request.content
                return httpx.Response(200, json=CLASSIFICATION)
            case "/v1/audio/voices":
                return httpx.Response(200, json={"data": []})
        return refusal(401)

    transport = httpx.MockTransport(handler)
    async with orfeon.AsyncOrfeon("http://gateway.test", "key", transport=transport) as gateway:
        assert (await gateway.classify(tmp_path / "voice.wav")).label == "happy"
        assert await gateway.voices() == []
        with pytest.raises(orfeon.AuthenticationError):
            await gateway.models()


async def test_the_async_client_waits_as_the_sync_one_does() -> None:
    answers = [refusal(429, retry_after="2"), httpx.Response(200, content=json.dumps({"data": []}))]
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    options = calls.options("http://gateway.test", None, 1.0)
    transport = httpx.MockTransport(lambda request: answers.pop(0))
    sender = AsyncTransport(httpx.AsyncClient(transport=transport, **options), 2, sleep)

    assert await sender.send(calls.models()) == []
    assert waits == [2.0]
    failing_transport = httpx.MockTransport(failing(httpx.ConnectError))
    sender = AsyncTransport(httpx.AsyncClient(transport=failing_transport, **options), 1, sleep)
    with pytest.raises(orfeon.APIConnectionError):
        await sender.send(calls.models())
    assert len(waits) == 2
