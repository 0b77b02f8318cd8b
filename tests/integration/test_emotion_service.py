"""The emotion container over a real socket, with the fake engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from services.emotion.__main__ import EMOTION
from services.emotion.engine import SAMPLE_RATE
from services.emotion.settings import EmotionSettings
from services.runtime.endpoint import MAX_MESSAGE_BYTES
from services.runtime.errors import (
    ContentTooLarge,
    InvalidAudio,
    InvalidRequest,
    ModelNotFound,
    OrfeonError,
)
from services.runtime.status import error_of
from tests.fakes.container import running
from tests.integration.voices import synthetic, wav

PART = 10_000


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    settings = EmotionSettings(
        ORFEON_HOME=tmp_path / "home",
        address=f"unix:{tmp_path / 's'}",
        engine="fake",
        max_audio_bytes=1_000_000,
        max_audio_seconds=10,
    )
    async with running(EMOTION, settings) as channel:
        yield channel


def parts(file: bytes, model: str = "") -> list[pb.ClassifyRequest]:
    pieces = [file[at : at + PART] for at in range(0, len(file), PART)]
    return [
        pb.ClassifyRequest(config=pb.ClassifyConfig(model=model)),
        *(pb.ClassifyRequest(audio=piece) for piece in pieces),
    ]


async def classify(
    channel: grpc.aio.Channel, messages: list[pb.ClassifyRequest]
) -> pb.ClassifyResponse:
    return await emotion_pb2_grpc.EmotionServiceStub(channel).Classify(iter(messages))


async def error_from(channel: grpc.aio.Channel, messages: list[pb.ClassifyRequest]) -> OrfeonError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await classify(channel, messages)
    return error_of(failed.value)


async def test_every_label_comes_back_best_first(channel: grpc.aio.Channel) -> None:
    answer = await classify(channel, parts(wav(np.ones(SAMPLE_RATE, np.float32))))
    assert answer.model == "emotion-whisper-tiny"
    assert answer.duration_seconds == pytest.approx(1.0)
    assert answer.labels[0].label == "disgust"
    scores = [each.score for each in answer.labels]
    assert len(scores) == 6
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)


async def test_the_model_may_be_named(channel: grpc.aio.Channel) -> None:
    answer = await classify(channel, parts(wav(synthetic()), model="emotion-whisper-tiny"))
    assert answer.model == "emotion-whisper-tiny"
    missing = await error_from(channel, parts(wav(synthetic()), model="nope"))
    assert isinstance(missing, ModelNotFound)


@pytest.mark.parametrize(
    ("file", "cls"),
    [
        (b"", InvalidAudio),
        (b"These are words in a file named .wav.", InvalidAudio),
        (wav(np.zeros(0, np.float32)), InvalidAudio),
        (wav(np.zeros(11 * SAMPLE_RATE, np.float32)), ContentTooLarge),
        (bytes(1_000_001), ContentTooLarge),
    ],
    ids=["empty", "text", "no samples", "too long", "too large"],
)
async def test_a_bad_file_is_refused_and_the_next_is_answered(
    channel: grpc.aio.Channel, file: bytes, cls: type[OrfeonError]
) -> None:
    assert type(await error_from(channel, parts(file))) is cls
    assert (await classify(channel, parts(wav(synthetic())))).labels


async def test_a_message_that_is_too_long_for_grpc_is_no_fault_of_ours(
    channel: grpc.aio.Channel,
) -> None:
    too_long = pb.ClassifyRequest(audio=bytes(MAX_MESSAGE_BYTES + 1))
    assert type(await error_from(channel, [*parts(b""), too_long])) is ContentTooLarge


async def test_audio_before_the_config_is_refused(channel: grpc.aio.Channel) -> None:
    assert isinstance(await error_from(channel, parts(wav(synthetic()))[1:]), InvalidRequest)


async def test_a_faster_model_answers_where_it_is_asked_for(channel: grpc.aio.Channel) -> None:
    def asked(fallback: pb.Fallback.ValueType) -> list[pb.ClassifyRequest]:
        first, *rest = parts(wav(synthetic()))
        first.config.fallback = fallback
        return [first, *rest]

    faster = await classify(channel, asked(pb.FALLBACK_ALWAYS))
    assert (faster.model, faster.fallback_for) == ("emotion-mel", "emotion-whisper-tiny")
    assert len(faster.labels) == 6
    for fallback in (pb.FALLBACK_NEVER, pb.FALLBACK_UNSPECIFIED):
        answer = await classify(channel, asked(fallback))
        assert (answer.model, answer.fallback_for) == ("emotion-whisper-tiny", "")


def test_the_contract_is_named_for_health_and_reflection() -> None:
    assert EMOTION.service == "orfeon.api.emotion.v1.EmotionService"
