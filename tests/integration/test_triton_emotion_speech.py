"""Live streams listened to by a real Triton server: what is heard here, stream by stream."""

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from services.emotion.__main__ import EMOTION
from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.listening import LIVE, Heard, Listener
from services.emotion.remote_ear import RemoteEar, remote_ear
from services.emotion.settings import EmotionSettings
from services.emotion.silero_engine import Silero
from services.emotion.voice_activity import Began, Ended
from services.runtime.errors import ServiceUnavailable
from tests.fakes.container import running
from tests.integration.triton_server import running_triton
from tests.integration.voices import spoken, synthetic

Ears = Callable[[], RemoteEar]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_triton(tmp_path_factory.mktemp("speech"), {}) as url:
        yield url


@pytest.fixture(scope="module")
def ears(url: str) -> Ears:
    return remote_ear(EmotionSettings(triton_url=url))


def streams() -> list[Samples]:
    pause = np.zeros(SAMPLE_RATE, np.float32)
    voice = spoken()
    half = voice[: voice.size // 2]
    return [
        np.concatenate([pause, voice, pause, half, pause]),
        np.concatenate([half, pause, pause, synthetic(2)]),
    ]


def chunks(samples: Samples, size: int) -> list[Samples]:
    return [samples[at : at + size] for at in range(0, samples.size, size)]


def told(heard: list[Heard]) -> list[tuple[str, float]]:
    """Kinds and times of what was heard."""
    return [
        (type(each).__name__, each.at if isinstance(each, Began | Ended) else each.end)
        for each in heard
    ]


def test_two_streams_at_once_are_told_as_here(ears: Ears) -> None:
    silero = Silero()
    here = [Listener(silero.ear(), LIVE) for _ in range(2)]
    there = [Listener(ears(), LIVE) for _ in range(2)]
    # Messages of unequal size, in turns, the first of a stream after some of the other.
    parts = [chunks(streams()[0], 1600), chunks(streams()[1], 1111)]
    for at in range(max(map(len, parts))):
        for stream in (0, 1):
            if at < len(parts[stream]):
                part = parts[stream][at]
                assert told(there[stream].feed(part)) == told(here[stream].feed(part))
    for stream in (0, 1):
        assert told(there[stream].finish()) == told(here[stream].finish())
        assert here[stream].speech == there[stream].speech
        assert here[stream].speech


def test_32_streams_side_by_side_keep_apart(ears: Ears) -> None:
    sounds = streams()
    expected = []
    for samples in sounds:
        ear = Silero().ear()
        expected.append(np.concatenate([ear.feed(samples), ear.finish()]))

    def follow(number: int) -> np.ndarray:
        ear = ears()
        heard = [ear.feed(part) for part in chunks(sounds[number % 2], 8000 + number)]
        return np.concatenate([*heard, ear.finish()])

    with ThreadPoolExecutor(32) as pool:
        for number, scores in enumerate(pool.map(follow, range(32))):
            assert scores == pytest.approx(expected[number % 2], abs=1e-3)


def test_a_stream_of_nothing_ends(ears: Ears) -> None:
    assert ears().finish().size == 0


def test_a_part_without_a_beginning_is_refused(url: str, ears: Ears) -> None:
    ears().feed(np.zeros(100, np.float32))
    audio = InferInput("AUDIO", [1, 512], "FP32")
    audio.set_data_from_numpy(np.zeros((1, 512), np.float32))
    with InferenceServerClient(url) as client, pytest.raises(InferenceServerException):
        client.infer("emotion_speech", [audio], sequence_id=7, sequence_end=True)


def test_a_server_that_has_forgotten_the_stream_ends_it(url: str, ears: Ears) -> None:
    ear = ears()
    ear.feed(np.zeros(1600, np.float32))
    with InferenceServerClient(url) as client:
        client.unload_model("emotion_speech")
    with pytest.raises(ServiceUnavailable):
        feed_without_end(ear)


def feed_without_end(ear: RemoteEar) -> None:
    """The server goes on for as long as somebody's part is at work."""
    for _ in range(1000):
        ear.feed(np.zeros(1600, np.float32))


async def test_a_live_stream_through_the_service_is_told_as_here(url: str, tmp_path: Path) -> None:
    samples = streams()[0]
    data = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    parts = [pb.FollowRequest(config=pb.FollowConfig())]
    parts += [pb.FollowRequest(audio=data[at : at + 32000]) for at in range(0, len(data), 32000)]
    told = []
    for place in ("here", "triton"):
        settings = EmotionSettings(
            ORFEON_HOME=tmp_path / "home",
            address=f"unix:{tmp_path / place}",
            engine="triton",
            triton_url=url,
            stream_ear=place,
        )
        async with running(EMOTION, settings) as channel:
            call = emotion_pb2_grpc.EmotionServiceStub(channel).Follow(aiter_of(parts))
            told.append([summary(event) async for event in call])
    assert told[0] == told[1]
    kinds = [kind for kind, _ in told[0]]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert kinds.count("speech_started") == kinds.count("speech_stopped") == 2


async def aiter_of(parts: list[pb.FollowRequest]) -> AsyncIterator[pb.FollowRequest]:
    for part in parts:
        yield part


def summary(event: pb.FollowResponse) -> tuple[str | None, float]:
    """What was told, and of when."""
    moments = {
        "speech_started": event.speech_started.at,
        "emotion": event.emotion.segment.end,
        "speech_stopped": event.speech_stopped.at,
        "finished": event.finished.speech_seconds,
    }
    kind = event.WhichOneof("event")
    return kind, moments.get(str(kind), 0.0)
