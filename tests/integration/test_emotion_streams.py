"""Live streams over a real socket, with the fake engine."""

from __future__ import annotations  # Stubs of asyncio are there for type checkers alone.

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from services.runtime.errors import InvalidRequest, ModelNotFound, OrfeonError, Overloaded
from tests.integration.emotion_service import (
    failure,
    follow_parts,
    followed,
    serving,
    sound,
)

if TYPE_CHECKING:
    from orfeon.api.emotion.v1.emotion_pb2_grpc import EmotionServiceAsyncStub as Stub

SPOKEN = np.concatenate([sound(1, 0), sound(4, 0.2), sound(2, 0), sound(3, 1.0), sound(1, 0)])


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[Stub]:
    async with serving(tmp_path, max_streams=1) as stub:
        yield stub


def kinds(events: list[pb.FollowResponse]) -> list[str]:
    return [str(event.WhichOneof("event")) for event in events]


async def test_what_is_heard_is_told_in_its_order(
    stub: Stub,
) -> None:
    events = await followed(stub, follow_parts(SPOKEN))
    told = kinds(events)
    assert (told[0], told[1], told[-1]) == ("started", "speech_started", "finished")
    assert told.count("speech_started") == told.count("speech_stopped") == 2
    assert told.count("emotion") >= 8
    assert events[0].started.model == "emotion-whisper-tiny"
    assert len(events[0].started.labels) == 6
    begun = [event.speech_started.at for event in events if event.HasField("speech_started")]
    assert begun == pytest.approx([1, 7], abs=0.2)
    stops = [event.speech_stopped for event in events if event.HasField("speech_stopped")]
    assert [stop.at for stop in stops] == pytest.approx([5, 10], abs=0.5)
    assert [stop.segment.labels[0].label for stop in stops] == ["happy", "disgust"]
    assert events[-1].finished.duration_seconds == pytest.approx(11)
    assert events[-1].finished.speech_seconds == pytest.approx(7, abs=1)


async def next_of(call: Any) -> pb.FollowResponse:
    event = await asyncio.wait_for(call.read(), 20)
    assert isinstance(event, pb.FollowResponse)
    return event


async def test_it_is_told_while_it_is_heard(stub: Stub) -> None:
    call = stub.Follow()
    first, *samples = follow_parts(SPOKEN)
    await call.write(first)
    assert (await next_of(call)).HasField("started")
    for message in samples:
        await call.write(message)
    # The stream goes on, and what was heard so far is known.
    assert (await next_of(call)).HasField("speech_started")
    heard = (await next_of(call)).emotion
    assert heard.segment.start == pytest.approx(1, abs=0.2)
    assert 0 < heard.delay_seconds < 20
    call.cancel()


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 1), (96_000, 8)])
async def test_any_rate_and_number_of_channels(stub: Stub, rate: int, channels: int) -> None:
    times = np.arange(0, 11, 1 / rate)
    resampled = np.interp(times, np.arange(SPOKEN.size) / 16_000, SPOKEN).astype(np.float32)
    messages = follow_parts(
        np.repeat(resampled, channels), 2 * channels * 4_000, sample_rate=rate, channels=channels
    )
    events = await followed(stub, messages)
    assert events[-1].finished.duration_seconds == pytest.approx(11, abs=0.01)
    assert kinds(events).count("speech_stopped") == 2


async def test_a_wrong_rate_is_answered_all_the_same(
    stub: Stub,
) -> None:
    events = await followed(stub, follow_parts(SPOKEN, sample_rate=48_000))
    assert events[-1].finished.duration_seconds == pytest.approx(11 / 3, abs=0.01)


async def test_silence_is_nobody(stub: Stub) -> None:
    assert kinds(await followed(stub, follow_parts(sound(3, 0)))) == ["started", "finished"]
    assert kinds(await followed(stub, follow_parts(sound(0)))) == ["started", "finished"]


CONFIG = pb.FollowRequest(config=pb.FollowConfig())


@pytest.mark.parametrize(
    ("messages", "cls"),
    [
        ([pb.FollowRequest(audio=bytes(320))], InvalidRequest),
        ([CONFIG, CONFIG], InvalidRequest),
        ([CONFIG, pb.FollowRequest(audio=bytes(321))], InvalidRequest),
        ([pb.FollowRequest(config=pb.FollowConfig(sample_rate=100))], InvalidRequest),
        ([pb.FollowRequest(config=pb.FollowConfig(channels=99))], InvalidRequest),
        ([pb.FollowRequest(config=pb.FollowConfig(model="nope"))], ModelNotFound),
        ([CONFIG, pb.FollowRequest(audio=bytes(2 * 16_000 * 31))], InvalidRequest),
    ],
    ids=["no config", "two", "half a sample", "rate", "channels", "model", "too much at once"],
)
async def test_what_is_no_stream_is_refused(
    stub: Stub,
    messages: list[pb.FollowRequest],
    cls: type[OrfeonError],
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await followed(stub, messages)
    assert type(failure(raised)) is cls
    assert kinds(await followed(stub, follow_parts(SPOKEN)))[-1] == "finished"


async def test_a_stream_that_stalls_is_ended_and_leaves_its_place(tmp_path: Path) -> None:
    async with serving(tmp_path, stall_seconds=3, max_streams=1) as stub:
        call = stub.Follow()
        await call.write(CONFIG)
        assert (await next_of(call)).HasField("started")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await next_of(call)
        assert isinstance(failure(raised), InvalidRequest)
        assert "3 s" in failure(raised).message
        # Short, so that it does not stall on a busy machine.
        assert kinds(await followed(stub, follow_parts(sound(0))))[-1] == "finished"


async def test_one_stream_too_many_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, max_streams=1) as stub:
        first = stub.Follow()
        await first.write(CONFIG)
        assert (await next_of(first)).HasField("started")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await followed(stub, follow_parts(SPOKEN))
        assert isinstance(failure(raised), Overloaded)
        first.cancel()


async def test_a_client_that_is_faster_than_time_is_heard_to_the_end(
    stub: Stub,
) -> None:
    minutes = np.tile(SPOKEN, 15)
    events = await followed(stub, follow_parts(minutes, 64_000))
    assert events[-1].finished.duration_seconds == pytest.approx(165)
    assert kinds(events).count("speech_stopped") == 30
