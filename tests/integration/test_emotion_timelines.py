"""Timelines, spans and speakers over a real socket, with the fake engine."""

from __future__ import annotations  # Stubs of asyncio are there for type checkers alone.

import asyncio
import itertools
import math
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import numpy as np
import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from services.runtime.errors import ContentTooLarge, InvalidAudio, InvalidRequest
from tests import recordings
from tests.integration.emotion_service import (
    classify_parts,
    failure,
    pieces,
    serving,
    sound,
    timeline,
    timeline_parts,
)
from tests.integration.voices import wav

if TYPE_CHECKING:
    from orfeon.api.emotion.v1.emotion_pb2_grpc import EmotionServiceAsyncStub as Stub

#: Quiet and low, a pause, loud and high, and again quiet: 42 s.
CONVERSATION = np.concatenate(
    [sound(14, 0.2, 120), sound(2, 0), sound(12, 1.0, 420), sound(2, 0), sound(12, 0.2, 120)]
)


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[Stub]:
    async with serving(tmp_path) as stub:
        yield stub


async def test_a_timeline_goes_through_the_whole_recording(
    stub: Stub,
) -> None:
    segments, finished = await timeline(stub, wav(CONVERSATION))
    assert segments[0].start == 0
    assert segments[-1].end == pytest.approx(42)
    assert all(a.end == b.start for a, b in itertools.pairwise(segments))
    best = [each.labels[0].label if each.labels else "" for each in segments]
    assert best == ["happy", "", "disgust", "", "happy"]
    assert finished.speech_seconds == pytest.approx(38, abs=1.5)
    assert finished.duration_seconds == pytest.approx(42)
    assert finished.labels[0].label == "happy"
    assert sum(each.score for each in finished.labels) == pytest.approx(1, abs=1e-5)
    assert finished.timings.decode_seconds > 0


async def test_classify_tells_the_same_at_once(
    stub: Stub,
) -> None:
    segments, finished = await timeline(stub, wav(CONVERSATION))
    whole = await stub.Classify(iter(classify_parts(wav(CONVERSATION), timeline=True)))
    assert list(whole.segments) == segments
    assert list(whole.labels) == list(finished.labels)
    plain = await stub.Classify(iter(classify_parts(wav(CONVERSATION))))
    assert list(plain.labels) == list(whole.labels)
    assert not plain.segments


async def test_nobody_speaks(stub: Stub) -> None:
    segments, finished = await timeline(stub, wav(sound(35, 0)))
    assert [(each.start, each.end, len(each.labels)) for each in segments] == [(0, 35, 0)]
    assert (finished.speech_seconds, len(finished.labels)) == (0, 0)


async def test_spans_come_back_one_by_one(stub: Stub) -> None:
    asked = [(17.0, 20.0), (14.8, 15.6), (1.0, 13.0), (100.0, 101.0)]
    spans = [pb.Span(start=start, end=end) for start, end in asked]
    answer = await stub.Classify(iter(classify_parts(wav(CONVERSATION), spans=spans)))
    assert [(each.start, each.end) for each in answer.segments] == asked
    best = [each.labels[0].label if each.labels else "" for each in answer.segments]
    assert best == ["disgust", "", "happy", ""]
    assert answer.labels


@pytest.mark.parametrize(
    "spans",
    [[(math.nan, 1.0)], [(3.0, 2.0)], [(0.0, 1.0)] * 10_000, [(0.0, 1e9)] * 5],
    ids=["nan", "backwards", "10,000", "huge"],
)
async def test_spans_that_cannot_be_are_refused(
    stub: Stub, spans: list[tuple[float, float]]
) -> None:
    messages = [pb.Span(start=start, end=end) for start, end in spans]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Classify(iter(classify_parts(wav(sound(1)), spans=messages)))
    assert isinstance(failure(raised), InvalidRequest)
    assert failure(raised).param == "spans"


async def test_each_speaker_has_a_result(stub: Stub) -> None:
    answer = await stub.Classify(
        iter(classify_parts(wav(CONVERSATION), speakers=True, timeline=True))
    )
    assert [each.id for each in answer.speakers] == ["A", "B"]
    a, b = answer.speakers
    assert a.seconds == pytest.approx(26, abs=1.5)
    assert b.seconds == pytest.approx(12, abs=1)
    assert (a.labels[0].label, b.labels[0].label) == ("happy", "disgust")
    assert len(a.spans) == 2
    assert [each.speaker for each in answer.segments] == ["A", "", "B", "", "A"]


async def test_who_speaks_when_with_a_voice_that_is_known(
    stub: Stub,
) -> None:
    config = pb.DiarizeConfig(known=[pb.KnownSpeaker(name="Ada", audio=wav(sound(3, 0.5, 420)))])
    file = wav(CONVERSATION)
    messages = [pb.DiarizeRequest(config=config)]
    messages += [pb.DiarizeRequest(audio=piece) for piece in pieces(file)]
    answer = await stub.Diarize(iter(messages))
    assert [each.speaker for each in answer.segments] == ["A", "Ada", "A"]
    assert not any(each.labels for each in answer.segments)
    assert [each.id for each in answer.speakers] == ["A", "Ada"]
    assert answer.model == "speaker-ge2e"


async def test_a_voice_becomes_a_vector_and_silence_does_not(
    stub: Stub,
) -> None:
    async def embedded(file: bytes) -> pb.EmbedResponse:
        messages = [pb.EmbedRequest(config=pb.EmbedConfig()), pb.EmbedRequest(audio=file)]
        answer: pb.EmbedResponse = await stub.Embed(iter(messages))
        return answer

    voice, other = await embedded(wav(sound(5, 0.4, 150))), await embedded(wav(sound(5, 0.4, 500)))
    assert np.linalg.norm(voice.values) == pytest.approx(1)
    assert np.dot(voice.values, other.values) < 0.5
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await embedded(wav(sound(5, 0)))
    assert isinstance(failure(raised), InvalidAudio)


async def test_a_voice_that_is_known_by_half_an_hour_is_refused(
    stub: Stub,
) -> None:
    config = pb.DiarizeConfig(known=[pb.KnownSpeaker(name="Ada", audio=wav(sound(31)))])
    messages = [pb.DiarizeRequest(config=config), pb.DiarizeRequest(audio=wav(sound(2)))]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Diarize(iter(messages))
    error = failure(raised)
    assert isinstance(error, ContentTooLarge)
    assert error.param == "known[0]"


@pytest.mark.parametrize("audio", [b"no audio", wav(sound(3, 0))], ids=["garbage", "silence"])
async def test_a_known_voice_that_will_not_do_is_named(stub: Stub, audio: bytes) -> None:
    known = [
        pb.KnownSpeaker(name="Ada", audio=wav(sound(3, 0.5, 420))),
        pb.KnownSpeaker(name="Ben", audio=audio),
    ]
    config = pb.DiarizeConfig(known=known)
    messages = [pb.DiarizeRequest(config=config), pb.DiarizeRequest(audio=wav(sound(2)))]
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Diarize(iter(messages))
    error = failure(raised)
    assert isinstance(error, InvalidAudio)
    assert error.param == "known[1]"


@pytest.mark.parametrize(
    "file",
    [
        wav(sound(0.05)),
        recordings.wav(np.full((16_000, 1), np.nan, np.float32), kind="f32"),
        wav(np.sign(sound(2))),
        wav(np.full(32_000, 0.5, np.float32)),
        wav(sound(3, 0.3, 120) + sound(3, 0.3, 420)),
    ],
    ids=["50 ms", "all NaN", "square", "DC", "two at once"],
)
async def test_odd_recordings_are_answered(stub: Stub, file: bytes) -> None:
    answer = await stub.Classify(iter(classify_parts(file, timeline=True, speakers=True)))
    assert bool(answer.labels) == bool(answer.speech_seconds)


async def test_two_hours_take_no_more_memory_than_minutes(
    stub: Stub,
) -> None:
    minutes, hours = (five := recordings.mp3(300)), five * 24
    await timeline(stub, minutes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    segments, finished = await timeline(stub, hours)
    # Decoded they are 460 MB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 80_000
    assert finished.duration_seconds == pytest.approx(7_200, abs=5)
    assert segments[-1].end == finished.duration_seconds


async def test_a_long_recording_lets_others_in_between(stub: Stub) -> None:
    hour = recordings.mp3(60) * 60
    call = stub.Timeline(iter(timeline_parts(hour)))
    timeline = asyncio.ensure_future(anext(aiter(call)))
    short = await stub.Classify(iter(classify_parts(wav(sound(2)))))
    assert short.labels
    # The hour takes minutes where an answer takes so long.
    assert short.timings.queue_seconds < 10
    assert not timeline.done()
    call.cancel()
    await asyncio.wait([timeline])


async def test_who_leaves_a_long_recording_leaves_its_turn(stub: Stub) -> None:
    call = stub.Timeline(iter(timeline_parts(wav(np.tile(CONVERSATION, 20)))))
    assert (await anext(aiter(call))).HasField("segment")
    call.cancel()
    async with asyncio.timeout(20):
        assert (await stub.Classify(iter(classify_parts(wav(sound(1)))))).labels
