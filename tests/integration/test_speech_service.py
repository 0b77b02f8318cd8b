"""The speech container over a real socket, with engines that need no weights."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import threading
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from orfeon.api.speech.v1 import speech_pb2 as pb
from orfeon.api.speech.v1 import speech_pb2_grpc
from services.runtime.audio import AudioLimits, decode
from services.runtime.errors import (
    ContentTooLarge,
    InvalidAudio,
    InvalidRequest,
    ModelNotFound,
    OrfeonError,
)
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import Placement
from services.runtime.status import error_of
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH
from services.speech.engine import Samples, SpeechModel, SpeechRequest
from services.speech.fake_engine import FakeSpeechEngine
from services.speech.settings import SpeechSettings
from tests.fakes.container import running

TEXT = "Two cats sat here. A dog ran by."
#: The fake voice takes 60 ms a character, the space between the sentences left out.
SECONDS = 0.06 * (len(TEXT) - 1)


def settings(tmp_path: Path) -> SpeechSettings:
    return SpeechSettings(
        ORFEON_HOME=tmp_path / "home",
        address=f"unix:{tmp_path / 's'}",
        engine="fake",
        max_audio_bytes=2**20,
        max_audio_seconds=20,
    )


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[speech_pb2_grpc.SpeechServiceAsyncStub]:
    async with running(SPEECH, settings(tmp_path)) as channel:
        yield speech_pb2_grpc.SpeechServiceStub(channel)


def recording(seconds: float, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(rate)
        output.writeframes(np.zeros(int(seconds * rate), "<i2").tobytes())
    return file.getvalue()


def upload(config: pb.TranscribeConfig, content: bytes) -> Iterator[pb.TranscribeRequest]:
    yield pb.TranscribeRequest(config=config)
    for at in range(0, len(content), 10_000):
        yield pb.TranscribeRequest(audio=content[at : at + 10_000])


async def transcript(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub, content: bytes, **config: object
) -> list[pb.TranscribeResponse]:
    requests = upload(pb.TranscribeConfig(**config), content)  # type: ignore[arg-type]
    return [answer async for answer in stub.Transcribe(requests)]


async def speech_error(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub, **request: object
) -> OrfeonError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        async for _ in stub.Synthesize(pb.SynthesizeRequest(**request)):  # type: ignore[arg-type]
            pass
    return error_of(failed.value)


async def transcript_error(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub, content: bytes, **config: object
) -> OrfeonError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await transcript(stub, content, **config)
    return error_of(failed.value)


@pytest.mark.parametrize("name", ["UNSPECIFIED", "MP3", "OPUS", "AAC", "FLAC", "WAV"])
async def test_a_text_is_spoken_in_every_format(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub, name: str
) -> None:
    request = pb.SynthesizeRequest(input=TEXT, format=pb.AudioFormat.Value(f"AUDIO_FORMAT_{name}"))
    parts = [part async for part in stub.Synthesize(request)]
    assert {part.model for part in parts} == {"piper-en-us-joe-medium"}
    assert len(parts) >= 2
    content = b"".join(part.audio for part in parts)
    samples = decode(io.BytesIO(content), 24000, AudioLimits(60))
    assert len(samples) / 24000 == pytest.approx(SECONDS, abs=0.12)


async def test_pcm_is_bare_samples_and_speed_shortens_them(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub,
) -> None:
    request = pb.SynthesizeRequest(
        model="tts-1", voice="alloy", input=TEXT, speed=2, format=pb.AUDIO_FORMAT_PCM
    )
    content = b"".join([part.audio async for part in stub.Synthesize(request)])
    assert len(content) / 48000 == pytest.approx(SECONDS / 2, abs=0.01)


async def test_a_request_to_speak_is_refused_by_its_field(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub,
) -> None:
    voice = await speech_error(stub, input="Hello", voice="nobody")
    assert isinstance(voice, InvalidRequest)
    assert (voice.param, "joe" in voice.message) == ("voice", True)
    assert (await speech_error(stub, input=" ")).param == "input"
    assert isinstance(await speech_error(stub, input="Hello", model="nope"), ModelNotFound)
    assert (await speech_error(stub, input="Hello", model="whisper-1")).param == "model"


async def test_a_transcript_starts_has_segments_and_finishes(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub,
) -> None:
    answers = await transcript(stub, recording(12), word_timestamps=True, temperature=0.2)
    kinds = [answer.WhichOneof("event") for answer in answers]
    assert kinds == ["started", "segment", "segment", "segment", "finished"]
    started = answers[0].started
    assert (started.model, started.language) == ("whisper-base", "en")
    assert started.duration_seconds == pytest.approx(12, abs=0.01)
    assert [answer.segment.id for answer in answers[1:4]] == [0, 1, 2]
    segment = answers[2].segment
    assert segment.text == "".join(word.word for word in segment.words)
    assert (segment.start, segment.end) == (5, 10)


async def test_a_translation_needs_a_model_that_translates(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub,
) -> None:
    answers = await transcript(stub, recording(1), task=pb.TASK_TRANSLATE, language="es")
    assert answers[0].started.language == "es"
    refused = await transcript_error(
        stub, recording(1), task=pb.TASK_TRANSLATE, model="whisper-tiny.en"
    )
    assert (type(refused), refused.param) == (InvalidRequest, "model")


async def test_bad_recordings_are_refused_and_the_service_lives_on(
    stub: speech_pb2_grpc.SpeechServiceAsyncStub,
) -> None:
    for content in (b"", b"not a recording\n" * 100, recording(0), recording(1)[:40]):
        assert isinstance(await transcript_error(stub, content), InvalidAudio)
    assert isinstance(await transcript_error(stub, recording(21, rate=1000)), ContentTooLarge)
    assert isinstance(await transcript_error(stub, bytes(2**20 + 1)), ContentTooLarge)
    language = await transcript_error(stub, recording(1), language="klingon")
    assert (type(language), language.param) == (InvalidRequest, "language")
    assert (await transcript(stub, recording(1)))[-1].WhichOneof("event") == "finished"


async def test_the_voices_are_listed(stub: speech_pb2_grpc.SpeechServiceAsyncStub) -> None:
    joe = pb.Voice(id="joe", model="piper-en-us-joe-medium", language="en-US")
    for model in ("", "tts-1"):
        assert list((await stub.ListVoices(pb.ListVoicesRequest(model=model))).voices) == [joe]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.ListVoices(pb.ListVoicesRequest(model="nope"))
    assert isinstance(error_of(failed.value), ModelNotFound)


class EndlessEngine(FakeSpeechEngine):
    """Its voice never stops by itself."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> SpeechModel:
        if manifest.voices:
            return EndlessVoice(self.stopped)
        return super().load(manifest, folder, placement)


class EndlessVoice:
    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    def synthesize(self, request: SpeechRequest, cancelled: Cancellation) -> Iterator[Samples]:
        try:
            while not cancelled.is_set:
                yield np.zeros(24000, np.float32)
        finally:
            self._stopped.set()

    def close(self) -> None:
        pass


async def test_the_first_sound_comes_before_the_last_and_leaving_stops_the_rest(
    tmp_path: Path,
) -> None:
    engine = EndlessEngine()
    endless = dataclasses.replace(SPEECH, engines={"fake": lambda _settings: engine})
    async with running(endless, settings(tmp_path)) as channel:
        stub = speech_pb2_grpc.SpeechServiceStub(channel)
        call = stub.Synthesize(pb.SynthesizeRequest(input="La", format=pb.AUDIO_FORMAT_PCM))
        async for part in call:
            assert len(part.audio) == 48000
            break
        # While the voice goes on, the other slot listens.
        answers = await transcript(stub, recording(6))
        assert answers[-1].WhichOneof("event") == "finished"
        call.cancel()
        assert await asyncio.to_thread(engine.stopped.wait, 10)
