"""The public gRPC: every kind of call through the gateway, over real sockets."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from orfeon.api.chat.v1 import chat_pb2
from orfeon.api.emotion.v1 import emotion_pb2
from orfeon.api.lyrics.v1 import lyrics_pb2
from orfeon.api.melody.v1 import melody_pb2
from orfeon.api.models.v1 import models_pb2
from orfeon.api.queue.v1 import queue_pb2
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.errors import ModelLoading, Overloaded
from tests.fakes.emotion import SECOND
from tests.fakes.gateway import eventually
from tests.fakes.rpc import ASKED, Rpc, all_of, bearer, refused, rpc, rpc_staged, upload

__all__ = ["rpc"]

Code = grpc.StatusCode


async def test_one_message_is_answered_by_one(rpc: Rpc) -> None:
    call = rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)
    answer = await call
    assert answer.choices[0].text == "Hello, wörld"
    assert rpc.stage.script.requests == [ASKED]
    headers = dict(await call.initial_metadata())
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-request-priority"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "2999"


async def test_one_message_is_answered_by_many(rpc: Rpc) -> None:
    asked = chat_pb2.StreamChatCompletionRequest(completion=ASKED)
    pieces = await all_of(rpc.chat.StreamChatCompletion(asked, metadata=rpc.key))
    assert "".join(piece.delta.text for piece in pieces) == "Hello, wörld"
    assert pieces[-1].usage.completion_tokens == 3


async def test_an_upload_is_answered_by_one_message(rpc: Rpc) -> None:
    async def parts() -> Any:
        yield emotion_pb2.ClassifyRequest(config=emotion_pb2.ClassifyConfig(timeline=True))
        yield emotion_pb2.ClassifyRequest(audio=b"RIFF")
        yield emotion_pb2.ClassifyRequest(audio=b"rest")

    answer = await rpc.emotion.Classify(parts(), metadata=rpc.key)
    assert [label.label for label in answer.labels] == ["happy", "sad"]
    assert len(answer.segments) == 1
    assert rpc.stage.script.audio == [b"RIFF", b"rest"]


async def test_an_upload_is_answered_by_many_messages(rpc: Rpc) -> None:
    pieces = await all_of(rpc.speech.Transcribe(upload(b"RIFF", b""), metadata=rpc.key))
    assert [piece.WhichOneof("event") for piece in pieces] == [
        "started", "segment", "segment", "segment", "finished",
    ]  # fmt: skip


async def test_a_song_and_a_melody_come_as_they_do_on_http(rpc: Rpc) -> None:
    async def parts() -> Any:
        yield melody_pb2.ComposeRequest(config=melody_pb2.ComposeConfig(genre="funk"))

    wanted = lyrics_pb2.WriteLyricsRequest(genre="pop")
    lines = await all_of(rpc.lyrics.WriteLyrics(wanted, metadata=rpc.key))
    assert lines[0].started.genre == "pop"
    pieces = await all_of(rpc.melody.Compose(parts(), metadata=rpc.key))
    assert b"".join(piece.audio for piece in pieces) == "Hello, wörld".encode()


async def test_a_live_stream_is_told_what_is_heard_as_it_is_heard(rpc: Rpc) -> None:
    call = rpc.emotion.Follow(metadata=rpc.key)
    config = emotion_pb2.FollowConfig(sample_rate=8000)
    await call.write(emotion_pb2.FollowRequest(config=config))
    assert (await call.read()).started.model == "emotion-fake"
    assert dict(await call.initial_metadata())["x-request-priority"] == "1"
    for kind in ("speech_started", "emotion", "emotion"):
        await call.write(emotion_pb2.FollowRequest(audio=bytes(SECOND)))
        assert (await call.read()).WhichOneof("event") == kind
    await call.done_writing()
    assert (await call.read()).WhichOneof("event") == "speech_stopped"
    assert (await call.read()).WhichOneof("event") == "finished"
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is Code.OK
    assert rpc.stage.script.contexts[0].deadline is None


async def test_nobody_hears_of_the_caller_but_what_the_gateway_knows(rpc: Rpc) -> None:
    key, secret = rpc.stage.keys.create("floored", priority_floor=1)
    call = rpc.chat.ChatCompletion(
        ASKED,
        metadata=bearer(
            secret, x_request_priority="0", x_request_id="mine-1", x_orfeon_key_id="somebody"
        ),
        timeout=30,
    )
    await call
    headers = dict(await call.initial_metadata())
    assert (headers["x-request-priority"], headers["x-request-id"]) == ("1", "mine-1")
    [context] = rpc.stage.script.contexts
    assert (context.key_id, context.priority, context.request_id) == (key.id, 1, "mine-1")
    # gRPC sends deadlines as coarse times, rounded up.
    assert 20 < (context.timeout() or 0) < 31


async def test_without_a_deadline_there_is_the_gateways(rpc: Rpc) -> None:
    await rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)
    assert 500 < (rpc.stage.script.contexts[0].timeout() or 0) <= 600


async def test_a_request_id_that_is_none_is_replaced(rpc: Rpc) -> None:
    call = rpc.chat.ChatCompletion(ASKED, metadata=(*rpc.key, ("x-request-id", "a b")))
    await call
    assert dict(await call.initial_metadata())["x-request-id"].startswith("req_")


async def test_a_key_may_come_in_either_header(rpc: Rpc) -> None:
    await rpc.chat.ChatCompletion(ASKED, metadata=(("x-api-key", rpc.stage.secret),))


async def test_models_are_those_of_all_services(rpc: Rpc) -> None:
    listed = await rpc.models.ListModels(models_pb2.ListModelsRequest(), metadata=rpc.key)
    over_http = (await rpc.over_http("GET", "/v1/models")).json()["data"]
    assert [model.id for model in listed.models] == [model["id"] for model in over_http]
    assert listed.models[0].state == models_pb2.MODEL_STATE_LOADED


async def test_models_are_loaded_by_administrators_alone(rpc: Rpc) -> None:
    asked = models_pb2.LoadModelRequest(id="tts-1", pinned=True)
    refusal = await refused(rpc.models.LoadModel(asked, metadata=rpc.key))
    assert (refusal.code, refusal.reason) == (Code.PERMISSION_DENIED, "MISSING_SCOPE")
    _, secret = rpc.stage.keys.create("root", scopes={"admin"})
    loaded = (await rpc.models.LoadModel(asked, metadata=bearer(secret))).model
    assert (loaded.id, loaded.pinned) == ("org/fake-voice", True)
    assert loaded.state == models_pb2.MODEL_STATE_LOADED
    asked_back = models_pb2.UnloadModelRequest(id="tts-1")
    left = (await rpc.models.UnloadModel(asked_back, metadata=bearer(secret))).model
    assert left.state == models_pb2.MODEL_STATE_UNLOADED
    nothing = models_pb2.UnloadModelRequest(id="nothing")
    refusal = await refused(rpc.models.UnloadModel(nothing, metadata=bearer(secret)))
    assert (refusal.code, refusal.reason) == (Code.NOT_FOUND, "MODEL_NOT_FOUND")


async def test_a_key_sees_its_own_requests_in_the_queue(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path) as rpc:
        key, secret = rpc.stage.keys.create("mine")
        _, root = rpc.stage.keys.create("root", scopes={"admin"})
        rpc.stage.script.queue = [
            queue_pb2.QueueEntry(request_id="a", key_id=key.id, estimated_wait=2),
            queue_pb2.QueueEntry(request_id="b", key_id="other"),
        ]
        asked = queue_pb2.ListQueueRequest()
        mine = (await rpc.queue.ListQueue(asked, metadata=bearer(secret))).entries
        assert {(one.request_id, one.key_id) for one in mine} == {("a", "")}
        assert mine[0].estimated_wait == 2
        everybodys = (await rpc.queue.ListQueue(asked, metadata=bearer(root))).entries
        assert {(one.request_id, one.key_id) for one in everybodys} == {
            ("a", key.id), ("b", "other"),
        }  # fmt: skip


async def test_the_rate_is_one_for_both_protocols(rpc: Rpc) -> None:
    _, secret = rpc.stage.keys.create("slow", requests_per_minute=2)
    await rpc.chat.ChatCompletion(ASKED, metadata=bearer(secret))
    body = {"messages": [{"role": "user", "content": "Why?"}]}
    headers = {"authorization": f"Bearer {secret}"}
    answer = await rpc.over_http("POST", "/v1/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    # What makes nothing is free.
    await rpc.queue.ListQueue(queue_pb2.ListQueueRequest(), metadata=bearer(secret))
    refusal = await refused(rpc.chat.ChatCompletion(ASKED, metadata=bearer(secret)))
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "RATE_LIMIT_EXCEEDED")
    assert refusal.retry_after is not None
    assert 0 < refusal.retry_after <= 60
    assert 1 <= int(refusal.metadata["retry-after"]) <= 60
    assert refusal.metadata["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("streamed", [False, True])
async def test_tokens_are_charged(rpc: Rpc, streamed: bool) -> None:
    _, secret = rpc.stage.keys.create("poor", tokens_per_minute=10)
    asked = chat_pb2.StreamCompletionRequest(completion=chat_pb2.CompletionRequest())
    if streamed:
        await all_of(rpc.chat.StreamCompletion(asked, metadata=bearer(secret)))
    else:
        await rpc.chat.Completion(asked.completion, metadata=bearer(secret))
    refusal = await refused(rpc.chat.ChatCompletion(ASKED, metadata=bearer(secret)))
    assert refusal.reason == "RATE_LIMIT_EXCEEDED"
    assert "tokens" in refusal.message


async def test_who_leaves_is_charged_what_was_generated(rpc: Rpc) -> None:
    rpc.stage.script.hold = True
    rpc.stage.script.tokens = 10
    _, secret = rpc.stage.keys.create("leaving", tokens_per_minute=30)
    asked = chat_pb2.StreamChatCompletionRequest(completion=ASKED)
    call = rpc.chat.StreamChatCompletion(asked, metadata=bearer(secret))
    for _ in range(3):
        await call.read()
    call.cancel()
    await asyncio.wait_for(rpc.stage.script.cancelled.wait(), 20)

    async def charged() -> bool:
        rpc.stage.script.hold = False
        try:
            await rpc.chat.Embed(chat_pb2.EmbedRequest(), metadata=bearer(secret))
        except grpc.aio.AioRpcError as failure:
            return failure.code() == Code.RESOURCE_EXHAUSTED
        return False

    await eventually(charged)


async def test_a_revoked_key_opens_nothing_and_ends_what_it_has_opened(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path, stream_idle_seconds=5) as rpc:
        key, secret = rpc.stage.keys.create("soon gone")
        call = rpc.emotion.Follow(metadata=bearer(secret))
        await call.write(emotion_pb2.FollowRequest(config=emotion_pb2.FollowConfig()))
        assert (await call.read()).HasField("started")
        rpc.stage.keys.revoke(key.id)

        async def speak() -> None:
            while True:
                await call.write(emotion_pb2.FollowRequest(audio=b"\0\0"))
                await asyncio.sleep(0.05)

        speaking = asyncio.create_task(speak())
        try:
            refusal = await refused(call.read())
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
        assert refusal.code in (Code.UNAUTHENTICATED, Code.INTERNAL)
        await asyncio.wait_for(rpc.stage.script.cancelled.wait(), 20)
        again = await refused(rpc.chat.ChatCompletion(ASKED, metadata=bearer(secret)))
        assert (again.code, again.reason) == (Code.UNAUTHENTICATED, "INVALID_API_KEY")


@pytest.mark.parametrize("kind", ["one", "many", "upload", "live"])
async def test_who_leaves_stops_the_work(rpc: Rpc, kind: str) -> None:
    script = rpc.stage.script
    script.hold = True
    calls = {
        "one": lambda: rpc.chat.ChatCompletion(ASKED, metadata=rpc.key),
        "many": lambda: rpc.chat.StreamChatCompletion(
            chat_pb2.StreamChatCompletionRequest(completion=ASKED), metadata=rpc.key
        ),
        "upload": lambda: rpc.speech.Transcribe(upload(b"RIFF"), metadata=rpc.key),
        "live": lambda: rpc.emotion.Follow(metadata=rpc.key),
    }
    call = calls[kind]()
    if kind == "live":
        await call.write(emotion_pb2.FollowRequest(config=emotion_pb2.FollowConfig()))
        await call.read()
    await asyncio.wait_for(script.started.wait(), 20)
    call.cancel()
    await asyncio.wait_for(script.cancelled.wait(), 20)

    async def counted() -> bool:
        page = await rpc.metrics()
        return 'method="GRPC"' in page and 'status="499"' in page

    await eventually(counted)


async def test_a_service_that_ends_a_live_stream_says_why(rpc: Rpc) -> None:
    rpc.stage.script.error = Overloaded("As many streams as there may be.", retry_after=5)
    call = rpc.emotion.Follow(metadata=rpc.key)
    await call.write(emotion_pb2.FollowRequest(config=emotion_pb2.FollowConfig()))
    refusal = await refused(call.read())
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert refusal.retry_after == 5


async def test_a_deadline_ends_the_work_too(rpc: Rpc) -> None:
    # Who is connected already needs no time for that.
    await rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)
    rpc.stage.script.hold = True
    rpc.stage.script.started.clear()
    asking = asyncio.create_task(
        refused(rpc.chat.ChatCompletion(ASKED, metadata=rpc.key, timeout=4))
    )
    await asyncio.wait_for(rpc.stage.script.started.wait(), 20)
    refusal = await asking
    assert refusal.code == Code.DEADLINE_EXCEEDED
    await asyncio.wait_for(rpc.stage.script.cancelled.wait(), 20)
    refusal = await refused(rpc.chat.ChatCompletion(ASKED, metadata=rpc.key, timeout=0.001))
    assert refusal.code == Code.DEADLINE_EXCEEDED
    rpc.stage.script.hold = False
    await rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)


async def test_the_gateways_own_deadline_says_what_to_change(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path, request_timeout=0.3) as rpc:
        rpc.stage.script.hold = True
        refusal = await refused(rpc.chat.ChatCompletion(ASKED, metadata=rpc.key))
        assert (refusal.code, refusal.reason) == (Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
        assert refusal.message.endswith(".")


async def test_what_a_service_refuses_comes_as_it_said_it(rpc: Rpc) -> None:
    facts = {"queue_position": 7.0, "estimated_wait": 2.5}
    rpc.stage.script.error = Overloaded("Full.", retry_after=1.5, facts=facts)
    refusal = await refused(rpc.chat.ChatCompletion(ASKED, metadata=rpc.key))
    assert (refusal.code, refusal.reason) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED")
    assert (refusal.message, refusal.retry_after) == ("Full.", 1.5)
    assert refusal.metadata["x-queue-position"] == "7"
    assert refusal.metadata["x-queue-estimated-wait-ms"] == "2500"
    assert refusal.metadata["retry-after-ms"] == "1500"
    assert refusal.metadata["x-request-id"]
    rpc.stage.script.error = ModelLoading("Loading.", retry_after=1)
    rpc.stage.script.error_after = 2
    asked = chat_pb2.StreamChatCompletionRequest(completion=ASKED)
    call = rpc.chat.StreamChatCompletion(asked, metadata=rpc.key)
    assert [(await call.read()).delta.text for _ in range(2)] == ["Hello", ", "]
    refusal = await refused(call.read())
    assert (refusal.code, refusal.reason) == (Code.UNAVAILABLE, "MODEL_LOADING")
    assert "x-request-id" not in refusal.metadata


async def test_voices_are_listed_without_counting(rpc: Rpc) -> None:
    call = rpc.speech.ListVoices(speech_pb2.ListVoicesRequest(), metadata=rpc.key)
    assert (await call).voices[0].id == "joe"
    assert "x-ratelimit-limit-requests" not in dict(await call.initial_metadata())


async def test_every_call_is_counted_and_logged_once(
    rpc: Rpc, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "gateway.access"):
        await rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)
        await refused(rpc.chat.ChatCompletion(ASKED))
        for name in ("One", "Two"):
            await refused(rpc.channel.unary_unary(f"/no.Such/{name}")(b""))

        path = "/orfeon.api.chat.v1.ChatService/ChatCompletion"
        counts = {
            f'route="{path}",status="200"}} 1.0',
            f'route="{path}",status="401"}} 1.0',
            'route="unmatched",status="405"} 2.0',
        }
        start = 'orfeon_http_requests_total{method="GRPC",'

        async def counted() -> bool:
            rows = (await rpc.metrics()).splitlines()
            return {row.removeprefix(start) for row in rows if row.startswith(start)} == counts

        await eventually(counted)
    lines = [record for record in caplog.records if getattr(record, "method", "") == "GRPC"]
    assert len(lines) == 4
    assert lines[0].route == path  # type: ignore[attr-defined]
    assert lines[0].priority == 1  # type: ignore[attr-defined]
    assert lines[1].error == "invalid_api_key"  # type: ignore[attr-defined]
