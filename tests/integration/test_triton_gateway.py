"""Every model of triton-repo/ asked through the gateway, on HTTP and on gRPC."""

import io
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio
from tritonclient.grpc import InferenceServerClient

from gateway.keystore import KeyStore
from orfeon.api.emotion.v1 import emotion_pb2, emotion_pb2_grpc
from orfeon.api.images.v1 import images_pb2, images_pb2_grpc
from orfeon.api.melody.v1 import melody_pb2, melody_pb2_grpc
from orfeon.api.speech.v1 import speech_pb2, speech_pb2_grpc
from services.emotion.__main__ import EMOTION
from services.emotion.settings import EmotionSettings
from services.images.__main__ import IMAGES
from services.images.settings import ImagesSettings
from services.melody.__main__ import MELODY
from services.melody.settings import MelodySettings
from services.speech.__main__ import SPEECH
from services.speech.settings import SpeechSettings
from tests.fakes.container import running
from tests.fakes.gateway import eventually, settings_for
from tests.fakes.gateway import running as running_gateway
from tests.fakes.rpc import Metadata, all_of, bearer, dialled, with_grpc
from tests.integration.triton_models import tiny_repository
from tests.integration.triton_server import running_triton

pytestmark = [
    # diffusers gives NumPy tensors of torch as of before NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.asyncio(loop_scope="module"),
]

SIZE = 64
SENTENCE = "The children walked along the river until the sun went down."


@dataclass
class Asked:
    """A gateway before services that compute on one Triton server, and that server."""

    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    voice: bytes
    """Somebody who speaks, as a file."""
    key: Metadata
    triton: str

    def computed(self, name: str) -> int:
        """How often the server has computed with a model. It counts after it has answered."""
        with InferenceServerClient(self.triton) as client:
            [found] = client.get_inference_statistics(name).model_stats
            return int(found.inference_count)

    async def until_computed(self, name: str, times: int) -> None:
        """Waits until the server has computed so often with a model."""

        async def has() -> bool:
            return self.computed(name) >= times

        await eventually(has)


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("triton")
    home, repository = tiny_repository(folder)
    environment = {"ORFEON_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with running_triton(folder, environment, repository) as url:
        yield url, home


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def asked(
    triton: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Asked]:
    url, home = triton
    folder = tmp_path_factory.mktemp("g")
    services: dict[str, tuple[Any, Any]] = {
        "emotion": (EMOTION, partial(EmotionSettings, stream_ear="triton")),
        "images": (IMAGES, ImagesSettings),
        "melody": (MELODY, MelodySettings),
        "speech": (SPEECH, SpeechSettings),
    }
    addresses = {name: f"unix:{folder / name}" for name in services}
    outside, address = with_grpc(settings_for(folder).model_copy(update={"upstreams": addresses}))
    keys = KeyStore(outside.database_url)
    _, secret = keys.create("test")
    async with AsyncExitStack() as stack:
        for name, (capability, settings) in services.items():
            chosen = settings(
                ORFEON_HOME=home, address=addresses[name], engine="triton", triton_url=url,
                preload=False, device="cpu",
            )  # fmt: skip
            await stack.enter_async_context(running(capability, chosen, load=False))
        base = await stack.enter_async_context(running_gateway(outside, keys))
        headers = {"authorization": f"Bearer {secret}"}
        client = httpx.AsyncClient(base_url=base, headers=headers, timeout=120)
        http = await stack.enter_async_context(client)
        channel = await stack.enter_async_context(dialled(address))
        spoken = await http.post(
            "/v1/audio/speech", json={"input": SENTENCE, "voice": "joe", "response_format": "wav"}
        )
        yield Asked(http, channel, spoken.content, bearer(secret), url)
    keys.close()


async def streamed(*messages: Any) -> AsyncIterator[Any]:
    for message in messages:
        yield message


@pytest.mark.parametrize(
    ("model", "name"),
    [("emotion-whisper-tiny", "emotion_whisper"), ("emotion-wav2vec2", "emotion_wav2vec2")],
)
async def test_emotions_are_the_same_by_both_protocols(asked: Asked, model: str, name: str) -> None:
    file = asked.voice
    response = await asked.http.post(
        "/v1/audio/classifications", data={"model": model}, files={"file": ("a.wav", file)}
    )
    assert response.status_code == 200, response.text
    await asked.until_computed(name, 1)
    before = asked.computed(name)
    stub: Any = emotion_pb2_grpc.EmotionServiceStub(asked.channel)
    config = emotion_pb2.ClassifyConfig(model=model)
    messages = streamed(
        emotion_pb2.ClassifyRequest(config=config), emotion_pb2.ClassifyRequest(audio=file)
    )
    answer = await stub.Classify(messages, metadata=asked.key)
    await asked.until_computed(name, before + 1)
    by_http = {each["label"]: each["score"] for each in response.json()["labels"]}
    by_grpc = {each.label: each.score for each in answer.labels}
    assert by_grpc == pytest.approx(by_http, abs=1e-3)


async def test_speech_is_written_down_and_spoken(asked: Asked) -> None:
    file = asked.voice
    response = await asked.http.post(
        "/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": ("a.wav", file)}
    )
    assert response.status_code == 200, response.text
    stub: Any = speech_pb2_grpc.SpeechServiceStub(asked.channel)
    config = speech_pb2.TranscribeConfig(model="whisper-1")
    messages = streamed(
        speech_pb2.TranscribeRequest(config=config), speech_pb2.TranscribeRequest(audio=file)
    )
    heard = await all_of(stub.Transcribe(messages, metadata=asked.key))
    text = "".join(each.segment.text for each in heard).strip()
    assert "river" in text
    assert text == response.json()["text"]
    await asked.until_computed("speech_whisper", 2)

    body = {"model": "bark-small", "input": "Hello.", "response_format": "wav"}
    spoken = await asked.http.post("/v1/audio/speech", json=body)
    assert spoken.content.startswith(b"RIFF"), spoken.text
    request = speech_pb2.SynthesizeRequest(
        model="bark-small", input="Hello.", format=speech_pb2.AUDIO_FORMAT_WAV
    )
    answers = await all_of(stub.Synthesize(request, metadata=asked.key))
    assert b"".join(each.audio for each in answers).startswith(b"RIFF")
    await asked.until_computed("speech_bark", 2)


async def test_images_are_made(asked: Asked) -> None:
    body = {
        "model": "sdxl-turbo", "prompt": "a cat", "size": f"{SIZE}x{SIZE}", "seed": 1,
        "number_of_steps": 1, "response_format": "b64_json",
    }  # fmt: skip
    response = await asked.http.post("/v1/images/generations", json=body)
    assert response.status_code == 200, response.text
    stub: Any = images_pb2_grpc.ImagesServiceStub(asked.channel)
    options = images_pb2.Options(model="sdxl-turbo", seed=1, width=SIZE, height=SIZE, steps=1)
    request = images_pb2.GenerateRequest(prompt="a cat", options=options)
    assert await all_of(stub.Generate(request, metadata=asked.key))
    await asked.until_computed("images_sdxl_turbo", 2)


async def test_music_is_made(asked: Asked) -> None:
    body = {"model": "musicgen-small", "prompt": "rock", "duration": 1, "seed": 1}
    response = await asked.http.post("/v1/melodies", json=body)
    assert response.status_code == 200, response.text
    stub: Any = melody_pb2_grpc.MelodyServiceStub(asked.channel)
    config = melody_pb2.ComposeConfig(
        model="musicgen-small", prompt="rock", duration_seconds=1, seed=1,
        format=melody_pb2.AUDIO_FORMAT_WAV,
    )  # fmt: skip
    messages = streamed(melody_pb2.ComposeRequest(config=config))
    answers = await all_of(stub.Compose(messages, metadata=asked.key))
    assert answers[-1].HasField("finished")
    await asked.until_computed("melody_musicgen", 2)


async def test_a_live_stream_is_listened_to(asked: Asked) -> None:
    stub: Any = emotion_pb2_grpc.EmotionServiceStub(asked.channel)
    with wave.open(io.BytesIO(asked.voice)) as file:
        config = emotion_pb2.FollowConfig(sample_rate=file.getframerate())
        samples = file.readframes(file.getnframes())
    pieces = (samples[at : at + 8_000] for at in range(0, len(samples), 8_000))
    messages = streamed(
        emotion_pb2.FollowRequest(config=config),
        *(emotion_pb2.FollowRequest(audio=piece) for piece in pieces),
    )
    told = await all_of(stub.Follow(messages, metadata=asked.key))
    kinds = [each.WhichOneof("event") for each in told]
    assert "speech_started" in kinds
    assert kinds[-1] == "finished"
    await asked.until_computed("emotion_speech", 1)
