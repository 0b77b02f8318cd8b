"""Every model of triton-repo/, in a Triton server that ends if one of them cannot be loaded."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput, InferResult
from tritonclient.grpc.aio import InferenceServerClient as AioClient
from tritonclient.utils import np_to_triton_dtype

from orfeon.serve.triton import REPOSITORY
from tests.integration.triton_models import config_of, tiny_repository
from tests.integration.triton_server import Triton

# diffusers gives NumPy tensors of torch as of before NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = sorted(path.parent.name for path in REPOSITORY.glob("*/config.pbtxt"))
SECOND = np.zeros(16_000, np.float32)


def text(value: str) -> np.ndarray[Any, Any]:
    return np.array([value.encode()], np.object_)


#: What each is asked. Speech, images and music are asked for the shortest there is.
ASKED: dict[str, dict[str, np.ndarray[Any, Any]]] = {
    "emotion_speech": {"AUDIO": SECOND},
    "emotion_wav2vec2": {"AUDIO": SECOND, "LENGTH": np.array([16_000])},
    "emotion_whisper": {"AUDIO": SECOND},
    "images_sdxl_turbo": {
        "REQUEST": text('{"prompt": "a cat", "options": {"width": 64, "height": 64, "steps": 1}}')
    },
    "melody_musicgen": {"REQUEST": text('{"prompt": "rock", "durationSeconds": 1, "seed": 1}')},
    "speech_bark": {"TEXT": text("Hello.")},
    "speech_whisper": {"AUDIO": SECOND, "TASK": text("transcription")},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A server of copies, told to load all of them."""
    folder = tmp_path_factory.mktemp("repository")
    home, repository = tiny_repository(folder)
    server = Triton(
        folder,
        {"ORFEON_HOME": str(home), "OMP_NUM_THREADS": "1"},
        repository,
        load=NAMES,
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()


async def ask(url: str, name: str) -> list[InferResult]:
    """Every answer to what the model is asked."""
    given = []
    for each, array in ASKED[name].items():
        rows = array[np.newaxis]
        given.append(InferInput(each, rows.shape, np_to_triton_dtype(rows.dtype)))
        given[-1].set_data_from_numpy(rows)
    config = config_of(name)
    request: dict[str, Any] = {"model_name": name, "inputs": given}
    if config.HasField("sequence_batching"):
        request |= {"sequence_id": 1, "sequence_start": True, "sequence_end": True}

    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield request

    async with AioClient(url) as client:
        if not config.model_transaction_policy.decoupled:
            return [await client.infer(**request, client_timeout=60)]
        answers = []
        async for answer, failure in client.stream_infer(requests(), stream_timeout=60):
            assert failure is None, failure.message()
            answers.append(answer)
        return answers


def test_every_model_is_asked_something() -> None:
    assert sorted(ASKED) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_a_model_is_loaded_answers_and_goes(server: Triton, name: str) -> None:
    config = config_of(name)
    with InferenceServerClient(server.url) as client:
        assert client.is_model_ready(name)
        answers = await ask(server.url, name)
        assert answers
        for answer in answers:
            told = {each.name: list(each.shape)[1:] for each in answer.get_response().outputs}
            assert told.keys() == {each.name for each in config.output}
            for output in config.output:
                dims = list(output.dims)
                assert len(told[output.name]) == len(dims)
                fits = zip(told[output.name], dims, strict=True)
                assert all(dim in (-1, found) for found, dim in fits)
        # Triton counts when it has answered.
        await eventually(lambda: answered(client, name) >= 1)
        assert statistics(client, name).inference_stats.fail.count == 0

        client.unload_model(name)
        await eventually(lambda: state(client, name) == "UNAVAILABLE")
        client.load_model(name)
        assert state(client, name) == "READY"
        assert await ask(server.url, name)
        client.unload_model(name)


def statistics(client: InferenceServerClient, name: str) -> Any:
    [found] = client.get_inference_statistics(name).model_stats
    return found


def answered(client: InferenceServerClient, name: str) -> int:
    found = statistics(client, name)
    return int(found.inference_count)


def state(client: InferenceServerClient, name: str) -> str:
    [found] = [each for each in client.get_model_repository_index().models if each.name == name]
    return str(found.state)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the server tells nobody.
            await asyncio.sleep(0.05)
