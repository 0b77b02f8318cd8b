"""The public gRPC and what goes wrong: bad input, services that die, clients that stall."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from gateway.keystore import KeyStore
from orfeon.api.chat.v1 import chat_pb2
from orfeon.api.emotion.v1 import emotion_pb2
from orfeon.api.song.v1 import song_pb2, song_pb2_grpc
from tests.fakes import songs
from tests.fakes.gateway import eventually, running, settings_for
from tests.fakes.rpc import (
    ASKED,
    Rpc,
    all_of,
    bearer,
    dialled,
    refused,
    rpc,
    rpc_staged,
    upload,
    with_grpc,
)
from tests.fakes.script import Script
from tests.fakes.upstreams import serving

__all__ = ["rpc"]

Code = grpc.StatusCode
MIB = 2**20


def picture(size: int) -> chat_pb2.ChatCompletionRequest:
    content = [chat_pb2.ContentPart(image=bytes(size))]
    return chat_pb2.ChatCompletionRequest(messages=[chat_pb2.Message(content=content)])


async def test_a_message_of_70_mib_is_refused_by_grpc_and_harms_nobody(rpc: Rpc) -> None:
    for call in (
        rpc.chat.ChatCompletion(picture(70 * MIB), metadata=rpc.key),
        all_of(rpc.speech.Transcribe(upload(bytes(70 * MIB)), metadata=rpc.key)),
    ):
        refusal = await refused(call)
        assert refusal.code == Code.RESOURCE_EXHAUSTED
        assert "larger than max" in refusal.message
    # That a recording begins may have gone on to the service by then; nothing of it has.
    heard = rpc.stage.script
    assert heard.audio == []
    assert not any(isinstance(each, chat_pb2.ChatCompletionRequest) for each in heard.requests)
    await rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)


async def test_messages_have_the_limits_of_http(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path, max_json_bytes=1000, max_upload_bytes=5000) as rpc:
        refusal = await refused(rpc.chat.ChatCompletion(picture(1001), metadata=rpc.key))
        assert (refusal.code, refusal.reason) == (Code.OUT_OF_RANGE, "CONTENT_TOO_LARGE")
        large = upload(bytes(3000), bytes(3000))
        refusal = await refused(all_of(rpc.speech.Transcribe(large, metadata=rpc.key)))
        assert (refusal.code, refusal.reason) == (Code.OUT_OF_RANGE, "CONTENT_TOO_LARGE")
        # What is nearly nothing is not nothing.
        many = upload(*[b""] * 100)
        refusal = await refused(all_of(rpc.speech.Transcribe(many, metadata=rpc.key)))
        assert refusal.code == Code.OUT_OF_RANGE


async def test_uploads_together_have_the_memory_that_there_is(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path, upload_memory_bytes=MIB, max_upload_bytes=MIB) as rpc:
        rpc.stage.script.hold = True
        first = rpc.speech.Transcribe(upload(bytes(900_000)), metadata=rpc.key)
        await asyncio.wait_for(rpc.stage.script.started.wait(), 20)
        second = rpc.speech.Transcribe(upload(bytes(900_000)), metadata=rpc.key)
        refusal = await refused(all_of(second))
        assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert refusal.retry_after == 1
        first.cancel()
        rpc.stage.script.hold = False

        async def room() -> bool:
            call = rpc.speech.Transcribe(upload(bytes(900_000)), metadata=rpc.key)
            with contextlib.suppress(grpc.aio.AioRpcError):
                await all_of(call)
            assert await call.code() in (Code.OK, Code.RESOURCE_EXHAUSTED)
            return bool(await call.code() == Code.OK)

        await eventually(room)


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x0a\x01\xff", b"\x0a\xff\xff\xff\xff\x0f"])
async def test_bytes_that_are_no_message_are_bad_input(rpc: Rpc, data: bytes) -> None:
    path = "/orfeon.api.chat.v1.ChatService/ChatCompletion"
    refusal = await refused(rpc.channel.unary_unary(path)(data, metadata=rpc.key))
    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "orfeon.api.chat.v1.ChatCompletionRequest" in refusal.message

    async def sent() -> AsyncIterator[bytes]:
        yield data

    for name in ("speech.v1.SpeechService/Transcribe", "emotion.v1.EmotionService/Follow"):
        call = rpc.channel.stream_stream(f"/orfeon.api.{name}")(sent(), metadata=rpc.key)
        assert (await refused(all_of(call))).code == Code.INVALID_ARGUMENT
    assert rpc.stage.script.requests == []


async def test_a_call_without_a_message_is_bad_input(rpc: Rpc) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    path = "/orfeon.api.chat.v1.ChatService/ChatCompletion"
    refusal = await refused(rpc.channel.stream_unary(path)(nothing(), metadata=rpc.key))
    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    for name in ("speech.v1.SpeechService/Transcribe", "emotion.v1.EmotionService/Timeline"):
        call = rpc.channel.stream_stream(f"/orfeon.api.{name}")(nothing(), metadata=rpc.key)
        assert (await refused(all_of(call))).code == Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "INVALID_API_KEY"),
        ((("authorization", "Bearer "),), "INVALID_API_KEY"),
        ((("authorization", "Basic eDp5"),), "INVALID_API_KEY"),
        ((("x-api-key", "sk-orf-" + "9" * 4000),), "INVALID_API_KEY"),
        ((("authorization-bin", b"\xff\0"),), "INVALID_API_KEY"),
    ],
)
async def test_whoever_has_no_key_is_told_so(rpc: Rpc, metadata: Any, reason: str) -> None:
    refusal = await refused(rpc.chat.ChatCompletion(ASKED, metadata=metadata))
    assert (refusal.code, refusal.reason) == (Code.UNAUTHENTICATED, reason)
    assert refusal.metadata["www-authenticate"] == "Bearer"
    # Before anything is read of what they send, however much it is.
    sending = upload(*[bytes(200_000)] * 20)
    refusal = await refused(all_of(rpc.speech.Transcribe(sending, metadata=metadata)))
    assert refusal.code == Code.UNAUTHENTICATED
    assert rpc.stage.script.requests == []


async def test_a_level_that_is_none_is_bad_input(rpc: Rpc) -> None:
    metadata = bearer(rpc.stage.secret, x_request_priority="soon")
    refusal = await refused(rpc.chat.ChatCompletion(ASKED, metadata=metadata))
    assert (refusal.code, refusal.param) == (Code.INVALID_ARGUMENT, "priority")


async def test_there_is_no_such_method(rpc: Rpc) -> None:
    for path in (
        "/orfeon.api.chat.v1.ChatService/Whistle",
        "/orfeon.api.arbiter.v1.ArbiterService/Show",
        "/no.Such/Service",
        "/",
    ):
        refusal = await refused(rpc.channel.unary_unary(path)(b"", metadata=rpc.key))
        assert (refusal.code, refusal.reason) == (Code.UNIMPLEMENTED, "METHOD_NOT_ALLOWED")
        assert refusal.message.startswith("There is no such method.")


async def test_a_service_that_is_not_installed_is_not_found(tmp_path: Path) -> None:
    settings, address = with_grpc(settings_for(tmp_path))
    async with running(settings, None), dialled(address) as channel:
        stub: Any = song_pb2_grpc.SongServiceStub(channel)
        refusal = await refused(stub.ListJobs(song_pb2.ListJobsRequest()))
    assert (refusal.code, refusal.message) == (
        Code.NOT_FOUND, "This installation has no song service.",
    )  # fmt: skip


async def test_a_live_stream_in_which_nothing_comes_is_ended(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path, stream_idle_seconds=3) as rpc:
        call = rpc.emotion.Follow(metadata=rpc.key)
        await call.write(emotion_pb2.FollowRequest(config=emotion_pb2.FollowConfig()))
        assert (await call.read()).HasField("started")
        refusal = await refused(call.read())
        assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert "3 s" in refusal.message
        await asyncio.wait_for(rpc.stage.script.cancelled.wait(), 20)


KINDS = ["one", "many", "upload", "upload-many"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_outlives_the_service_that_worked_on_it(kind: str, tmp_path: Path) -> None:
    services = f"unix:{tmp_path}/services.sock"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.upstreams", services, "mute"
    )
    script = Script()
    settings, address = with_grpc(settings_for(tmp_path, services))
    async with AsyncExitStack() as stack:
        stack.callback(_end, process)
        url = await stack.enter_async_context(running(settings, None))
        rpc = Rpc(Any, address, await stack.enter_async_context(dialled(address)))  # type: ignore[arg-type]
        await eventually(lambda: _healthy(rpc.channel), seconds=60)

        async def parts(message: Any) -> AsyncIterator[Any]:
            yield message(config=emotion_pb2.ClassifyConfig())
            for _ in range(6):
                yield message(audio=bytes(250_000))

        streamed = chat_pb2.StreamChatCompletionRequest(completion=ASKED)
        calls = {
            "one": lambda: rpc.chat.ChatCompletion(ASKED),
            "many": lambda: rpc.chat.StreamChatCompletion(streamed),
            "upload": lambda: rpc.emotion.Classify(parts(emotion_pb2.ClassifyRequest)),
            "upload-many": lambda: rpc.emotion.Timeline(parts(emotion_pb2.TimelineRequest)),
        }
        call = calls[kind]()
        asked = asyncio.create_task(all_of(call) if "many" in kind else _one(call))
        await asyncio.sleep(0.5)
        assert not asked.done()
        process.kill()
        await process.wait()
        async with serving(services, script):
            answers = await asyncio.wait_for(asked, 60)
        assert answers
        assert len(script.requests) == 1
        if "upload" in kind:
            assert b"".join(script.audio) == bytes(1_500_000)
        assert url


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


async def _one(call: Any) -> list[Any]:
    return [await call]


async def _healthy(channel: Any) -> bool:
    # A HealthCheckRequest that names no service, and a response that says SERVING.
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    return bytes(await check(b"")) == b"\x08\x01"


async def test_a_client_that_takes_nothing_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rpc.wire.Wire.write.__defaults__", (3.0,))
    async with rpc_staged(tmp_path) as rpc:
        rpc.stage.script.pieces = ["x" * MIB] * 64
        asked = chat_pb2.StreamChatCompletionRequest(completion=ASKED)
        call = rpc.chat.StreamChatCompletion(asked, metadata=rpc.key)
        await call.read()
        await asyncio.wait_for(rpc.stage.script.cancelled.wait(), 20)

        async def counted() -> bool:
            return 'status="499"' in await rpc.metrics()

        await eventually(counted)


async def test_a_song_is_its_owners_and_made_once(tmp_path: Path) -> None:
    settings, address = with_grpc(settings_for(tmp_path))
    settings = settings.model_copy(update={"upstreams": {"song": f"unix:{tmp_path}/song.sock"}})
    keys = KeyStore(settings.database_url)
    _, secret = keys.create("alice")
    _, other = keys.create("mallory")

    async def order() -> AsyncIterator[song_pb2.CreateSongRequest]:
        config = song_pb2.SongConfig(genre="pop", title="Mine", instrumental=True)
        yield song_pb2.CreateSongRequest(config=config)

    async with songs.staged(tmp_path), running(settings, keys), dialled(address) as channel:
        stub: Any = song_pb2_grpc.SongServiceStub(channel)
        call = stub.CreateSong(order(), metadata=bearer(secret))
        job = (await call).job
        headers = dict(await call.initial_metadata())
        assert (headers["x-request-priority"], job.priority) == ("2", 2)
        asked = song_pb2.GetJobRequest(job_id=job.id)
        assert (await stub.GetJob(asked, metadata=bearer(secret))).job.id == job.id
        refusal = await refused(stub.GetJob(asked, metadata=bearer(other)))
        assert refusal.code == Code.NOT_FOUND
        spoofed = bearer(
            other, x_orfeon_key_id=next(k.id for k in keys.list() if k.name == "alice")
        )
        assert (await refused(stub.GetJob(asked, metadata=spoofed))).code == Code.NOT_FOUND
        listed = await stub.ListJobs(song_pb2.ListJobsRequest(), metadata=bearer(other))
        assert not listed.jobs
        watched = stub.WatchJob(song_pb2.WatchJobRequest(job_id=job.id), metadata=bearer(secret))
        assert (await watched.read()).job.id == job.id
        watched.cancel()
        cancel = song_pb2.CancelJobRequest(job_id=job.id)
        assert (await refused(stub.CancelJob(cancel, metadata=bearer(other)))).code == (
            Code.NOT_FOUND
        )
        await stub.CancelJob(cancel, metadata=bearer(secret))
    keys.close()
