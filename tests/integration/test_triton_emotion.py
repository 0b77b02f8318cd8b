"""The emotion classifier in a real Triton server: the same answers as in this process."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from services.emotion.__main__ import EMOTION, triton, whisper_head
from services.emotion.engine import SAMPLE_RATE, Clip, EmotionModel, Samples
from services.emotion.settings import EmotionSettings
from services.runtime.errors import Cancelled, DeadlineExceeded, InvalidAudio, ServiceUnavailable
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.triton.failures import error_of
from services.runtime.worker import Cancellation
from tests.integration.triton_server import running_triton
from tests.integration.voices import recorded, synthetic
from tests.placed import on_cpu

NAME = "emotion_whisper"


@dataclasses.dataclass
class Both:
    """The model here, the same one on the server, and where that is."""

    here: EmotionModel
    there: EmotionModel
    url: str
    manifest: Manifest


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    tmp_path = tmp_path_factory.mktemp("triton")
    home = tmp_path / "home"
    registry = Registry(home, [EMOTION.models])
    manifest = registry.resolve("", "classification")
    folder = registry.folder(manifest)
    with running_triton(tmp_path, {"ORFEON_HOME": str(home)}) as url:
        settings = EmotionSettings(ORFEON_HOME=home, triton_url=url)
        here = whisper_head(settings).load(manifest, folder, on_cpu(manifest))
        there = triton(settings).load(manifest, folder, on_cpu(manifest))
        yield Both(here, there, url, manifest)
        there.close()
        here.close()


def scores(model: EmotionModel, samples: Samples) -> dict[str, float]:
    answer = model.classify(Clip(samples, timeout=30), Cancellation())
    values = [each.score for each in answer]
    assert values == sorted(values, reverse=True)
    return {each.label: each.score for each in answer}


def test_both_say_the_same(both: Both) -> None:
    for clip in [synthetic(), synthetic(20), np.zeros(8000, np.float32), *recorded(8)]:
        assert scores(both.there, clip) == pytest.approx(scores(both.here, clip), abs=1e-3)


def test_32_at_once_keep_their_answers(both: Both) -> None:
    clips = [synthetic(1 + at / 16) for at in range(32)]
    with ThreadPoolExecutor(len(clips)) as pool:
        found = list(pool.map(lambda clip: scores(both.there, clip), clips))
    for answer, clip in zip(found, clips, strict=True):
        assert answer == pytest.approx(scores(both.here, clip), abs=1e-3)


def test_urgent_requests_overtake_the_waiting(both: Both) -> None:
    order: list[int] = []

    def ask(clip: Clip) -> None:
        both.there.classify(clip, Cancellation())
        order.append(clip.priority)

    clips = [Clip(synthetic(7 + at / 48), 2, 60) for at in range(48)]
    background = [threading.Thread(target=ask, args=(clip,)) for clip in clips]
    urgent = threading.Thread(target=ask, args=(Clip(synthetic(6.5), 0, 60),))
    for thread in background:
        thread.start()
    wait_for_queue(both.url, len(background))
    urgent.start()
    for thread in (*background, urgent):
        thread.join()
    assert order.index(0) < len(order) - 4


def wait_for_queue(url: str, least: int) -> None:
    """Returns once the server has begun on the requests, with most of them still waiting."""
    with InferenceServerClient(url) as client:
        before = client.get_inference_statistics(NAME).model_stats[0].execution_count
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if client.get_inference_statistics(NAME).model_stats[0].execution_count > before:
                return
            time.sleep(0.005)
    pytest.fail(f"none of {least} requests was begun")


def test_a_clip_without_samples_is_refused_as_here_each_time(both: Both) -> None:
    audio = InferInput("AUDIO", [1, 0], "FP32")
    audio.set_data_from_numpy(np.zeros((1, 0), np.float32))
    with InferenceServerClient(both.url) as client:
        # A cache of the server's would answer the second with nothing, as a success.
        for _ in range(2):
            with pytest.raises(InferenceServerException) as no:
                client.infer(NAME, [audio])
            assert isinstance(error_of(no.value), InvalidAudio)


def test_a_deadline_ends_the_waiting(both: Both) -> None:
    with pytest.raises(DeadlineExceeded):
        both.there.classify(Clip(synthetic(120), timeout=0.05), Cancellation())


def test_who_leaves_is_let_go_at_once(both: Both) -> None:
    clip = Clip(np.tile(synthetic(8), 30), timeout=60)
    cancelled = Cancellation()
    threading.Timer(0.1, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        both.there.classify(clip, cancelled)
    # Well before its time is over.
    assert time.monotonic() - began < 10


def test_a_model_unloaded_by_another_is_loaded_again(both: Both) -> None:
    clip = synthetic()
    with InferenceServerClient(both.url) as client:
        client.unload_model(NAME)
        while client.is_model_ready(NAME):
            time.sleep(0.05)
    assert scores(both.there, clip) == pytest.approx(scores(both.here, clip), abs=1e-3)


def test_a_server_that_is_not_there_is_unavailable(both: Both) -> None:
    with pytest.raises(ServiceUnavailable):
        triton(EmotionSettings(triton_url="127.0.0.1:1", load_timeout=1, triton_patience=0)).load(
            both.manifest, EMOTION.models, on_cpu(both.manifest)
        )


def test_a_minute_of_audio_at_the_service_rate_fits_a_message(both: Both) -> None:
    minute = np.tile(synthetic(10), 6)
    assert minute.size == 60 * SAMPLE_RATE
    assert scores(both.there, minute) == pytest.approx(scores(both.here, minute), abs=1e-3)
