"""Whisper and Bark in a real Triton server: the same as in this process, by every way there."""

import dataclasses
import math
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import numpy as np
import pytest
import yaml
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from gateway.keystore import KeyStore
from orfeon.api.speech.v1 import speech_pb2 as pb
from orfeon.api.speech.v1 import speech_pb2_grpc
from services.runtime.audio import Resampler
from services.runtime.errors import Cancelled, InvalidAudio, InvalidRequest, OrfeonError
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.triton.failures import error_of
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH, bark, piper, triton, whisper
from services.speech.engine import (
    SYNTHESIZER_RATE,
    TRANSCRIBER_RATE,
    Samples,
    Segment,
    SpeechRequest,
    Started,
    Synthesizer,
    Transcriber,
    TranscriptionRequest,
)
from services.speech.settings import SpeechSettings
from tests.fakes.container import running
from tests.fakes.gateway import running as running_gateway
from tests.fakes.gateway import settings_for
from tests.integration.triton_server import running_triton
from tests.placed import on_cpu
from tests.recordings import wav
from tests.tiny_bark import VOICES, bark_manifest, tiny_bark

WHISPER, BARK = "speech_whisper", "speech_bark"
SENTENCE = "The children walked along the river until the sun went down."
TEXT = "The children walked along the river. The sun went down behind the hills!"


@dataclasses.dataclass
class Both:
    """The models here, the same ones on the server, and where that is."""

    home: Path
    url: str
    listener: Transcriber
    far_listener: Transcriber
    voice: Synthesizer
    far_voice: Synthesizer
    clip: Samples

    def settings(self, **more: Any) -> SpeechSettings:
        return settings_of(self.home, self.url, **more)


def settings_of(home: Path, url: str, **more: Any) -> SpeechSettings:
    return SpeechSettings(
        ORFEON_HOME=home,
        triton_url=url,
        triton_timeout=60,
        device="cpu",
        threads=2,
        slots=1,
        **more,
    )


def described(folder: Path, home: Path) -> None:
    """Puts the tiny Bark where the server looks for the model that its configuration names."""
    path = home / "models" / "bark-small" / "model.yaml"
    path.parent.mkdir(parents=True)
    fields = bark_manifest(folder, triton_model=BARK).model_dump(mode="json", exclude_defaults=True)
    path.write_text(yaml.safe_dump(fields | {"name": "bark-small"}))


def said(registry: Registry, settings: SpeechSettings) -> Samples:
    """A sentence that Piper speaks, as a listener hears it."""
    manifest = registry.resolve("tts-1", "speech")
    model = cast(
        Synthesizer, piper(settings).load(manifest, registry.folder(manifest), on_cpu(manifest))
    )
    parts = model.synthesize(SpeechRequest(SENTENCE, "joe"), Cancellation())
    resampler = Resampler(SYNTHESIZER_RATE, TRANSCRIBER_RATE)
    heard = [resampler.feed(part) for part in parts]
    model.close()
    return np.concatenate([*heard, resampler.finish()])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    tmp_path = tmp_path_factory.mktemp("triton")
    home = tmp_path / "home"
    described(tiny_bark(tmp_path / "bark"), home)
    registry = Registry(home, [SPEECH.models], "speech")
    listener, voice = registry.get("whisper-base"), registry.get("bark-small")

    def here(manifest: Manifest) -> Any:
        engine = {"bark": bark, "faster-whisper": whisper}[manifest.engine](settings)
        return engine.load(manifest, registry.folder(manifest), on_cpu(manifest))

    environment = {"ORFEON_HOME": str(home), "ORFEON_SPEECH_THREADS": "2"}
    with running_triton(tmp_path, environment) as url:
        settings = settings_of(home, url)
        server = triton(settings)
        found = Both(
            home,
            url,
            here(listener),
            cast(Transcriber, server.load(listener, Path(), on_cpu(listener))),
            here(voice),
            cast(Synthesizer, server.load(voice, Path(), on_cpu(voice))),
            said(registry, settings),
        )
        yield found
        for model in (found.listener, found.far_listener, found.voice, found.far_voice):
            model.close()


def transcript(model: Transcriber, samples: Samples, **fields: Any) -> list[Started | Segment]:
    asked = TranscriptionRequest(samples, **{"timeout": 60.0, **fields})
    return list(model.transcribe(asked, Cancellation()))


def sound(model: Synthesizer, text: str = TEXT, **fields: Any) -> Samples:
    asked = SpeechRequest(text, **{"voice": VOICES[0], "timeout": 60.0, **fields})
    return np.concatenate(list(model.synthesize(asked, Cancellation())))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"word_timestamps": True, "language": "en", "temperature": 0.0},
        {
            "task": "translation",
            "language": "en",
            "prompt": "Rivers and hills, ñandú.",
            "priority": 0,
        },
    ],
)
def test_both_write_down_the_same(both: Both, fields: dict[str, Any]) -> None:
    here = transcript(both.listener, both.clip, **fields)
    assert len(here) > 1
    assert transcript(both.far_listener, both.clip, **fields) == here


def test_where_nobody_speaks_there_is_no_segment_there_either(both: Both) -> None:
    silence = np.zeros(TRANSCRIBER_RATE, np.float32)
    assert transcript(both.far_listener, silence) == [Started("en", 0.0, 1.0)]


@pytest.mark.parametrize(
    "fields",
    [*({"voice": voice} for voice in VOICES), {"speed": 0.7}, {"text": "今天天气很好，走吧"}],
)
def test_both_sound_the_same(both: Both, fields: dict[str, Any]) -> None:
    assert np.allclose(sound(both.far_voice, **fields), sound(both.voice, **fields), atol=1e-4)


def test_a_large_recording_goes_through_shared_memory(both: Both) -> None:
    longer = np.pad(both.clip, (0, 20 * TRANSCRIBER_RATE))
    engine = triton(both.settings(triton_shared_memory=True))
    manifest = Registry(both.home, [SPEECH.models], "speech").get("whisper-base")
    model = cast(Transcriber, engine.load(manifest, Path(), on_cpu(manifest)))
    assert transcript(model, longer) == transcript(both.listener, longer)
    with InferenceServerClient(both.url) as client:
        assert not client.get_system_shared_memory_status().regions


def statistics(both: Both, model: str) -> Any:
    with InferenceServerClient(both.url) as client:
        return client.get_inference_statistics(model).model_stats[0]


def ended(both: Both, model: str, executions: int) -> Any:
    """The statistics once so many executions have ended; they take less than the whole would."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        found = statistics(both, model)
        if found.execution_count >= executions:
            return found
        time.sleep(0.02)
    pytest.fail(f"{model} has not ended")


def computing(before: Any, after: Any) -> int:
    """Nanoseconds between two statistics."""
    return int(after.inference_stats.compute_infer.ns - before.inference_stats.compute_infer.ns)


def test_sound_comes_while_more_is_made_and_who_leaves_stops_the_making(both: Both) -> None:
    text = "This sentence is long enough to be one. " * 20
    began = statistics(both, BARK)
    cancelled = Cancellation()
    parts = both.far_voice.synthesize(SpeechRequest(text, VOICES[0], timeout=60.0), cancelled)
    assert next(parts).size > 0
    assert statistics(both, BARK).execution_count == began.execution_count
    cancelled.set()
    with pytest.raises(Cancelled):
        list(parts)
    left = ended(both, BARK, began.execution_count + 1)
    sound(both.far_voice, text)
    stayed = ended(both, BARK, began.execution_count + 2)
    assert computing(began, left) < computing(left, stayed) / 2


def test_who_leaves_the_listening_ends_it_at_the_next_window(both: Both) -> None:
    ten_minutes = np.resize(np.pad(both.clip, (0, TRANSCRIBER_RATE)), 600 * TRANSCRIBER_RATE)
    # One temperature: what is said again and again would have it try them all.
    request = TranscriptionRequest(ten_minutes, temperature=0.2, timeout=60.0)
    executions, cancelled = statistics(both, WHISPER).execution_count, Cancellation()
    parts = both.far_listener.transcribe(request, cancelled)
    assert isinstance(next(parts), Started)
    cancelled.set()
    with pytest.raises(Cancelled):
        list(parts)
    ended(both, WHISPER, executions + 1)


def tensor(name: str, values: Any, kind: str) -> InferInput:
    dtypes = {"BYTES": np.object_, "FP32": np.float32, "FP64": np.float64}
    array: Any = np.array([values] if kind == "BYTES" else values, dtypes[kind])
    made = InferInput(name, [1, *array.shape], kind)
    made.set_data_from_numpy(array[np.newaxis])
    return made


def failure(both: Both, model: str, *inputs: InferInput) -> InferenceServerException:
    """What a client that knows nothing of us is told."""
    told: list[InferenceServerException | None] = []
    with InferenceServerClient(both.url) as client:
        client.start_stream(lambda result, error: told.append(error))
        client.async_stream_infer(model, list(inputs))
        client.stop_stream()
    [error] = told
    assert error is not None
    return error


def audio(samples: Any) -> InferInput:
    return tensor("AUDIO", samples, "FP32")


AUDIO = audio(np.zeros(8000))
TASK = tensor("TASK", b"transcription", "BYTES")
HELLO = tensor("TEXT", b"Hello.", "BYTES")


@pytest.mark.parametrize(
    ("model", "inputs", "kind", "said"),
    [
        (WHISPER, [audio(np.zeros(0)), TASK], InvalidAudio, "no samples"),
        (WHISPER, [audio(np.full(9, np.nan)), TASK], InvalidAudio, "numbers"),
        (WHISPER, [AUDIO, tensor("TASK", b"speech", "BYTES")], InvalidRequest, "no task 'speech'"),
        (WHISPER, [AUDIO, tensor("TASK", b"\xff", "BYTES")], InvalidRequest, "UTF-8"),
        (WHISPER, [AUDIO, TASK, tensor("LANGUAGE", b"xx", "BYTES")], InvalidRequest, "language"),
        (WHISPER, [AUDIO, TASK, tensor("TEMPERATURE", [9], "FP64")], InvalidRequest, "temperature"),
        (WHISPER, [AUDIO, TASK, tensor("PROMPT", b"x" * 5000, "BYTES")], InvalidRequest, "prompt"),
        (BARK, [tensor("TEXT", b"...", "BYTES")], InvalidRequest, "nothing"),
        (BARK, [tensor("TEXT", b"", "BYTES")], InvalidRequest, "1 to 4096"),
        (BARK, [tensor("TEXT", b"x" * 4097, "BYTES")], InvalidRequest, "1 to 4096"),
        (BARK, [HELLO, tensor("VOICE", b"v2/xx_speaker_0", "BYTES")], InvalidRequest, "use one of"),
        (BARK, [HELLO, tensor("SPEED", [math.nan], "FP64")], InvalidRequest, "speed"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_the_model(
    both: Both, model: str, inputs: list[InferInput], kind: type[OrfeonError], said: str
) -> None:
    error = error_of(failure(both, model, *inputs))
    assert type(error) is kind
    assert said in error.message


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        (WHISPER, [tensor("AUDIO", np.zeros(9), "FP64"), TASK], "data-type"),
        (WHISPER, [audio(np.zeros((2, 9))), TASK], "unexpected shape"),
        (WHISPER, [AUDIO], "missing required input"),
        (WHISPER, [AUDIO, TASK, tensor("COLOUR", b"red", "BYTES")], "unexpected inference input"),
        (BARK, [tensor("TEXT", [1.0], "FP64")], "data-type"),
        (BARK, [HELLO, tensor("SPEED", [1.0, 2.0], "FP64")], "unexpected shape"),
    ],
)
def test_another_type_or_shape_is_refused_by_triton(
    both: Both, model: str, inputs: list[InferInput], said: str
) -> None:
    assert said in str(failure(both, model, *inputs).message())
    # Nothing of it has reached the model, which goes on.
    assert sound(both.far_voice, "No rain today.").size > 0


@pytest.fixture
async def service(
    both: Both, tmp_path: Path
) -> AsyncIterator[tuple[grpc.aio.Channel, httpx.AsyncClient]]:
    address = f"unix:{tmp_path / 's'}"
    settings = both.settings(engine="triton", address=address, preload=False)
    outside = settings_for(tmp_path, address)
    keys = KeyStore(outside.database_url, cache_seconds=0.2)
    _, secret = keys.create("test")
    headers = {"authorization": f"Bearer {secret}"}
    async with (
        running(SPEECH, settings, load=False) as channel,
        running_gateway(outside, keys) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client,
    ):
        yield channel, client
    keys.close()


async def test_service_and_gateway_say_what_the_models_here_say(
    both: Both, service: tuple[grpc.aio.Channel, httpx.AsyncClient]
) -> None:
    channel, client = service
    _, *segments = transcript(both.listener, quantized(both.clip))
    expected = "".join(part.text for part in segments if isinstance(part, Segment)).strip()
    assert "river" in expected
    file = wav(both.clip[:, None])

    def requests() -> Iterator[pb.TranscribeRequest]:
        yield pb.TranscribeRequest(config=pb.TranscribeConfig(model="whisper-1"))
        yield pb.TranscribeRequest(audio=file)

    stub: Any = speech_pb2_grpc.SpeechServiceStub(channel)
    answers = [answer async for answer in stub.Transcribe(requests())]
    assert "".join(answer.segment.text for answer in answers).strip() == expected

    form = {"model": "whisper-1"}
    response = await client.post(
        "/v1/audio/transcriptions", data=form, files={"file": ("a.wav", file, "audio/wav")}
    )
    assert response.json()["text"] == expected

    body = {"model": "bark-small", "input": TEXT, "response_format": "pcm"}
    spoken = await client.post("/v1/audio/speech", json={**body, "voice_preset": VOICES[1]})
    heard = np.frombuffer(spoken.content, "<i2") / 32768
    assert np.abs(heard - sound(both.voice, voice=VOICES[1])).max() < 1e-3

    before = {name: statistics(both, name).execution_count for name in (WHISPER, BARK)}
    piper_spoke = await client.post("/v1/audio/speech", json={"input": TEXT, "voice": "joe"})
    assert piper_spoke.status_code == 200
    assert {name: statistics(both, name).execution_count for name in before} == before


def quantized(samples: Samples) -> Samples:
    """What is left of samples in 16 bits."""
    whole = (samples[:, None] * 32767).astype("<i2")
    return (whole[:, 0] / 32768).astype(np.float32)
