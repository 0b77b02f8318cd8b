"""Live streams through the gateway, over real WebSockets."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from services.runtime.errors import Internal, ModelNotFound, Overloaded, ServiceUnavailable
from tests.fakes.emotion import SECOND
from tests.fakes.gateway import Stage, eventually, stage, staged

__all__ = ["stage"]

PATH = "/v1/audio/classifications/stream"
DONE = json.dumps({"type": "input_audio.done"})
BOTH = [{"label": "happy", "score": 0.75}, {"label": "sad", "score": 0.25}]
HAPPY = {"label": "happy", "confidence": 0.75, "labels": BOTH}


@contextlib.asynccontextmanager
async def opened(stage: Stage, query: str = "", **options: Any) -> AsyncIterator[ClientConnection]:
    url = stage.url.replace("http://", "ws://") + PATH + query
    options.setdefault("additional_headers", {"authorization": f"Bearer {stage.secret}"})
    async with connect(url, **options) as stream:
        yield stream


async def told(stream: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(stream.recv(), 10))
    return message


async def ending(stream: ClientConnection) -> tuple[dict[str, Any] | None, int]:
    """The last message of a stream, and the code that it is closed with."""
    last = None
    while True:
        try:
            last = await told(stream)
        except ConnectionClosed:
            assert stream.close_code is not None
            return last, stream.close_code


async def refused(stage: Stage, query: str = "", **options: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught:
        async with opened(stage, query, **options):
            pass
    response = caught.value.response
    assert response.headers["x-request-id"]
    body = json.loads(response.body or b"")
    assert set(body) == {"error"}
    return response.status_code, body["error"]


def port_of(stage: Stage) -> int:
    return int(stage.url.rpartition(":")[2])


async def test_a_stream_is_told_what_is_heard_as_it_is_heard(stage: Stage) -> None:
    query = "?model=mine&sample_rate=8000&channels=2&priority=0"
    async with opened(stage, query) as stream:
        assert stream.response is not None
        assert stream.response.headers["x-request-priority"] == "0"
        assert stream.response.headers["x-ratelimit-limit-requests"]
        assert await told(stream) == {
            "type": "session.created",
            "id": stream.response.headers["x-request-id"],
            "model": "emotion-fake",
            "labels": ["happy", "sad"],
            "sample_rate": 8000,
            "channels": 2,
        }
        await stream.send(bytes(SECOND))
        assert await told(stream) == {"type": "speech_started", "at": 0}
        await stream.send(bytes(SECOND))
        emotion = {"type": "emotion", "start": 0, "end": 1, **HAPPY, "delay": 0.25}
        assert await told(stream) == emotion
        await stream.send(DONE)
        stopped = {"type": "speech_stopped", "at": 2, "start": 0, "end": 2, **HAPPY}
        assert await told(stream) == stopped
        finished = {"type": "session.finished", "duration": 2, "speech_duration": 2}
        assert await ending(stream) == (finished, 1000)
    [config] = stage.script.requests
    assert (config.model, config.sample_rate, config.channels) == ("mine", 8000, 2)
    [context] = stage.script.contexts
    assert (context.priority, context.deadline) == (0, None)


async def test_messages_may_end_in_the_midst_of_a_sample(stage: Stage) -> None:
    samples = bytes(range(250)) * 10
    async with opened(stage, "?channels=2") as stream:
        for start in range(0, len(samples), 7):
            await stream.send(samples[start : start + 7])
        await stream.send(b"x")
        await stream.send(DONE)
        await ending(stream)
    assert b"".join(stage.script.audio) == samples
    assert all(len(piece) % 4 == 0 for piece in stage.script.audio)


async def test_a_key_comes_as_a_subprotocol_where_no_header_can(stage: Stage) -> None:
    key = Subprotocol(f"openai-insecure-api-key.{stage.secret}")
    offered = [Subprotocol("realtime"), key]
    async with opened(stage, additional_headers={}, subprotocols=offered) as stream:
        assert stream.subprotocol == "realtime"
        assert (await told(stream))["type"] == "session.created"


async def test_who_may_not_open_a_stream_is_told_so_in_the_envelope(stage: Stage) -> None:
    _, other = stage.keys.create("chats", scopes={"chat"})
    for headers, status, code in (
        ({}, 401, "invalid_api_key"),
        ({"authorization": "Bearer sk-orf-wrong"}, 401, "invalid_api_key"),
        ({"authorization": f"Bearer {other}"}, 403, "missing_scope"),
    ):
        answered, error = await refused(stage, additional_headers=headers)
        assert (answered, error["code"]) == (status, code)
    # What is in an address ends in logs.
    query = f"?api_key={stage.secret}&key={stage.secret}"
    assert (await refused(stage, query, additional_headers={}))[0] == 401
    assert stage.script.requests == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("?sample_rate=7999", "sample_rate"),
        ("?sample_rate=high", "sample_rate"),
        ("?channels=0", "channels"),
        ("?channels=9", "channels"),
        ("?priority=3", "priority"),
        ("?model=" + "x" * 300, "model"),
    ],
)
async def test_a_query_that_makes_no_sense_is_named(stage: Stage, query: str, param: str) -> None:
    status, error = await refused(stage, query)
    assert (status, error["param"]) == (400, param)


async def test_there_are_no_other_streams(stage: Stage) -> None:
    url = stage.url.replace("http://", "ws://") + "/v1/models"
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url):
            pass
    assert caught.value.response.status_code == 404
    assert json.loads(caught.value.response.body or b"")["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "request_line",
    [
        f"GET {PATH} HTTP/1.1",
        f"POST {PATH} HTTP/1.1\r\ncontent-length: 0\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        f"GET {PATH} HTTP/1.1\r\nsec-websocket-version: 8\r\n"
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        f"GET {PATH} HTTP/1.1\r\nauthorization: Bearer {'a' * 10_000}",
        f"GET {PATH} HTTP/1.1" + "\r\na: b" * 200,
    ],
    ids=("empty", "POST", "version 8", "a long header", "many headers"),
)
async def test_a_handshake_that_is_none_is_refused_in_the_envelope(
    stage: Stage, request_line: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(stage))
    head = f"{request_line}\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nx-request-id: " in answer
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"error"}


async def test_a_refusal_is_nothing_to_log_as_a_fault(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await refused(stage, additional_headers={}))[0] == 401
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\xff" * 100, 1002),  # No frame at all.
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),  # A text that is no UTF-8.
        (b"\x82\x05hello", 1002),  # A frame of a client's has a mask.
    ],
)
async def test_garbage_in_the_socket_ends_the_stream_alone(
    stage: Stage, frames: bytes, code: int
) -> None:
    async with opened(stage) as stream:
        await told(stream)
        stream.transport.write(frames)
        assert (await ending(stream))[1] == code
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)
    async with opened(stage) as stream:
        assert (await told(stream))["type"] == "session.created"


async def test_a_rate_holds_for_streams_too(stage: Stage) -> None:
    _, secret = stage.keys.create("slow", requests_per_minute=1)
    headers = {"authorization": f"Bearer {secret}"}
    async with opened(stage, additional_headers=headers):
        status, error = await refused(stage, additional_headers=headers)
    assert (status, error["code"]) == (429, "rate_limit_exceeded")


async def test_pages_of_unknown_origins_open_no_stream(tmp_path: Path) -> None:
    known = "https://studio.example.org"
    async with staged(tmp_path, cors_origins=[known]) as stage:
        assert (await refused(stage, origin="https://elsewhere.example.org"))[0] == 400
        async with opened(stage, origin=known) as stream:
            assert (await told(stream))["type"] == "session.created"


@pytest.mark.parametrize(
    "sent",
    [
        "text",
        "[]",
        "{}",
        '"\\ud800"',
        '{"type": "input_audio_buffer.append", "audio": "AAAA"}',
        "[" * 100_000,
        b"RIFF" + bytes(100),
        b"\x1aE\xdf\xa3" + bytes(100),
    ],
)
async def test_what_is_no_sample_ends_the_stream_with_a_sentence(
    stage: Stage, sent: str | bytes
) -> None:
    async with opened(stage) as stream:
        await stream.send(sent)
        last, code = await ending(stream)
    assert last is not None
    assert last["type"] == "error"
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["type"] == "invalid_request_error"
    assert code == 1008


async def test_samples_after_the_end_are_refused(stage: Stage) -> None:
    stage.script.hold = True
    async with opened(stage) as stream:
        await stream.send(bytes(SECOND))
        await stream.send(DONE)
        await stream.send(bytes(SECOND))
        _, code = await ending(stream)
    assert code in (1000, 1008)


async def test_a_message_that_is_too_large_ends_the_stream(stage: Stage) -> None:
    async with opened(stage) as stream:
        await told(stream)
        await stream.send(bytes((1 << 20) + 1))
        assert (await ending(stream))[1] == 1009
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)


async def test_a_stream_that_stalls_is_ended(tmp_path: Path) -> None:
    async with staged(tmp_path, stream_idle_seconds=1.5) as stage, opened(stage) as stream:
        # A busy machine may be late with them.
        with contextlib.suppress(ConnectionClosed):
            for _ in range(4):
                await stream.send(bytes(100))
                await asyncio.sleep(0.4)
            await stream.send(b"")
        last, code = await ending(stream)
        assert last is not None
        assert "1.5 s" in last["error"]["message"]
        assert code == 1008
        await asyncio.wait_for(stage.script.cancelled.wait(), 20)


async def test_a_key_that_is_revoked_ends_its_streams(tmp_path: Path) -> None:
    async with staged(tmp_path, stream_idle_seconds=5) as stage:
        key, secret = stage.keys.create("gone")
        headers = {"authorization": f"Bearer {secret}"}
        async with opened(stage, additional_headers=headers) as stream:
            await told(stream)
            stage.keys.revoke(key.id)

            async def speak() -> None:
                while True:
                    await stream.send(bytes(100))
                    await asyncio.sleep(0.05)

            speaking = asyncio.create_task(speak())
            last, code = await ending(stream)
            await asyncio.wait([speaking])
            assert isinstance(speaking.exception(), ConnectionClosed)
        await asyncio.wait_for(stage.script.cancelled.wait(), 20)
    assert last is not None
    assert (last["error"]["code"], code) == ("invalid_api_key", 1008)


async def test_a_client_that_does_not_read_is_let_go(tmp_path: Path) -> None:
    async with staged(tmp_path, stream_idle_seconds=1) as stage:
        plug = socket.create_connection(("127.0.0.1", port_of(stage)))
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        async with opened(stage, sock=plug, max_queue=1) as stream:

            async def speak() -> None:
                for _ in range(200):  # Each is worth two hundred events.
                    await stream.send(bytes(200 * SECOND))

            speaking = asyncio.create_task(speak())
            await asyncio.wait_for(stage.script.cancelled.wait(), 20)
            speaking.cancel()
            await asyncio.wait([speaking])
            stream.transport.abort()


@pytest.mark.parametrize(
    ("error", "code", "closed"),
    [
        (ModelNotFound("There is no such model here.", param="model"), "model_not_found", 1008),
        (Overloaded("Full.", retry_after=2.5), "overloaded", 1013),
        (ServiceUnavailable("Away.", retry_after=2.5), "service_unavailable", 1013),
        (Internal("It broke."), "internal_error", 1011),
    ],
)
async def test_a_service_that_cannot_says_why(
    stage: Stage, error: Exception, code: str, closed: int
) -> None:
    stage.script.error = error
    async with opened(stage) as stream:
        last, closing = await ending(stream)
    assert last is not None
    assert (last["type"], last["error"]["code"]) == ("error", code)
    assert last.get("retry_after") == (2.5 if closed == 1013 else None)
    assert closing == closed


async def test_a_service_that_is_away_says_when_to_come_back(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.stop()
        async with opened(stage) as stream:
            last, code = await ending(stream)
    assert last is not None
    assert (last["error"]["code"], code) == ("service_unavailable", 1013)


async def test_a_service_that_does_not_listen_is_sent_no_samples(tmp_path: Path) -> None:
    async with staged(tmp_path, stream_idle_seconds=3) as stage:
        stage.script.pieces, stage.script.hold = [], True
        async with opened(stage) as stream:
            await stream.send(bytes(SECOND))
            last, code = await ending(stream)
        await asyncio.wait_for(stage.script.cancelled.wait(), 20)
    assert last is not None
    assert (last["error"]["code"], last["retry_after"], code) == ("service_unavailable", 1.0, 1013)
    assert stage.script.audio == []


async def test_a_client_that_leaves_ends_the_work_and_is_counted(stage: Stage) -> None:
    async with opened(stage) as stream:
        await told(stream)
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)
    async with opened(stage) as stream:
        await told(stream)
        stream.transport.abort()
    async with stage.http as client:

        async def counted() -> bool:
            page = (await client.get("/metrics")).text
            requests = f'orfeon_http_requests_total{{method="GET",route="{PATH}",status="101"}} 2.0'
            errors = f'orfeon_http_errors_total{{code="cancelled",route="{PATH}"}} 2.0'
            return requests in page and errors in page and "in_progress 1.0" in page

        await eventually(counted)


async def test_a_gateway_that_stops_lets_go_of_its_streams(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as later:
        async with staged(tmp_path) as stage:
            stream = await later.enter_async_context(opened(stage))
            await told(stream)
        assert (await ending(stream))[1] == 1012
        assert stage.script.cancelled.is_set()
