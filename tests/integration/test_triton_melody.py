"""MusicGen in a real Triton server: the same music as in this process, for whoever asks."""

import asyncio
import dataclasses
import io
import queue
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
import pytest_asyncio
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from gateway.keystore import KeyStore
from orfeon import AsyncOrfeon, OrfeonError
from orfeon.api.melody.v1 import melody_pb2 as pb
from orfeon.api.melody.v1 import melody_pb2_grpc
from services.melody.__main__ import MELODY, triton
from services.melody.engine import (
    MelodyRequest,
    Musician,
    Piece,
    Progress,
    Samples,
    Section,
    Sound,
    Started,
)
from services.melody.musicgen_engine import MusicgenEngine
from services.melody.settings import MelodySettings
from services.runtime.audio import AudioLimits, decode
from services.runtime.errors import Cancelled, InvalidRequest
from services.runtime.triton.failures import error_of
from services.runtime.worker import Cancellation
from tests.fakes.container import running
from tests.fakes.gateway import running as running_gateway
from tests.fakes.gateway import settings_for
from tests.integration.triton_server import running_triton
from tests.placed import on_cpu
from tests.tiny_musicgen import installed_musicgen

if TYPE_CHECKING:
    Stub = melody_pb2_grpc.MelodyServiceAsyncStub
    Call = grpc.aio.StreamStreamCall[pb.ComposeRequest, pb.ComposeResponse]

NAME = "melody_musicgen"
IN_ONE_LOOP = pytest.mark.asyncio(loop_scope="module")
TUNE = (0.5 * np.sin(np.arange(64_000) / 20)).astype(np.float32)


@dataclasses.dataclass
class Both:
    """The model here, the same one on the server, and where that is."""

    here: Musician
    there: Musician
    home: Path
    url: str
    made_at_load: float


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    tmp_path = tmp_path_factory.mktemp("triton")
    home = tmp_path / "home"
    manifest, folder = installed_musicgen(home, "musicgen-small", triton_model=NAME, melody=True)
    environment = {"ORFEON_HOME": str(home), "ORFEON_MELODY_THREADS": "1"}
    with running_triton(tmp_path, environment) as url:
        here = MusicgenEngine(device="cpu", threads=1).load(manifest, folder, on_cpu(manifest))
        settings = MelodySettings(ORFEON_HOME=home, triton_url=url)
        there = triton(settings).load(manifest, Path(), on_cpu(manifest))
        yield Both(here, there, home, url, seconds_at_work(url))
        there.close()
        here.close()


def asking(**fields: Any) -> MelodyRequest:
    return MelodyRequest(**{"seed": 7, "prompt": "happy rock", "seconds": 3.0, **fields})


def pieces(musician: Musician, **fields: Any) -> list[Piece]:
    return list(musician.compose(asking(**fields), Cancellation()))


def sound(found: list[Piece]) -> Samples:
    return np.concatenate([piece.samples for piece in found if isinstance(piece, Sound)])


def seconds_at_work(url: str) -> float:
    """How long the server has worked on requests that have ended."""
    return float(statistics(url).compute_infer.ns) / 1e9


def statistics(url: str) -> Any:
    with InferenceServerClient(url) as client:
        [model] = client.get_inference_statistics(NAME).model_stats
    return model.inference_stats


def worked(both: Both, seconds: float) -> float:
    """Has so much music made; returns how long the server has worked until then in all.

    It counts after it has answered.
    """
    before = statistics(both.url).success.count
    pieces(both.there, seconds=seconds)
    end = time.monotonic() + 30
    while statistics(both.url).success.count == before:
        assert time.monotonic() < end
        time.sleep(0.01)
    return seconds_at_work(both.url)


class Work:
    """What the server has worked until now, to be compared with what it has worked later."""

    def __init__(self, both: Both) -> None:
        begun = worked(both, 1.0)  # Where nobody has it loaded, it is now.
        self._both, self._until_now = both, worked(both, 3.0)
        self._three_seconds = self._until_now - begun

    def was_cut_short(self) -> bool:
        """Whether three minutes of music, asked for since, were left; returns once they were."""
        return worked(self._both, 1.0) - self._until_now < 20 * self._three_seconds


def test_the_first_second_is_made_before_somebody_asks(both: Both) -> None:
    assert both.made_at_load > 0


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tune": TUNE, "guidance": 1.5, "temperature": 0.5, "top_k": 3, "top_p": 0.75},
        {"mood": "sad", "tempo": 120.0, "key": "C major", "seconds": 1.37, "seed": 2**52},
    ],
)
def test_both_make_the_same_music_piece_by_piece(both: Both, fields: dict[str, Any]) -> None:
    here, there = pieces(both.here, **fields), pieces(both.there, **fields)
    assert isinstance(there[0], Started)
    assert there[0] == here[0]
    assert [type(piece) for piece in there] == [type(piece) for piece in here]
    told = [piece.done for piece in there if isinstance(piece, Progress)]
    assert told == [piece.done for piece in here if isinstance(piece, Progress)]
    assert np.array_equal(sound(there), sound(here))


def test_who_leaves_stops_the_work(both: Both) -> None:
    cancelled = Cancellation()
    work = Work(both)
    found = both.there.compose(asking(seconds=180.0), cancelled)
    assert isinstance(next(found), Started)
    assert isinstance(next(found), Progress)
    cancelled.set()
    with pytest.raises(Cancelled):
        list(found)
    assert work.was_cut_short()


def test_what_is_asked_for_wrongly_is_refused_as_here(both: Both) -> None:
    for fields in (
        {"artifacts": frozenset({"midi"})},
        {"silent": True},
        {"sections": (Section("verse", (8, 8)),)},
    ):
        told = []
        for musician in (both.here, both.there):
            with pytest.raises(InvalidRequest) as refused:
                pieces(musician, **fields)
            told.append(refused.value.message)
        assert told[0] == told[1]
    assert sound(pieces(both.there)).size


@pytest.mark.parametrize(
    ("sent", "tune", "told"),
    [
        (b"not JSON", None, "REQUEST must be a ComposeConfig"),
        (b"\xff\xfe", None, "REQUEST must be a ComposeConfig"),
        (b"", None, "REQUEST must be a ComposeConfig"),
        (b'{"unknown": 1}', None, "REQUEST must be a ComposeConfig"),
        (b'{"durationSeconds": 1e9}', None, "duration must be between"),
        (b"{}", np.zeros(32_000, np.float32), "silent"),
        (b"{}", np.zeros(0, np.float32), "shorter"),
    ],
)
def test_what_makes_no_sense_is_refused_to_whoever_asks_the_server_itself(
    both: Both, sent: bytes, tune: Samples | None, told: str
) -> None:
    asked = InferInput("REQUEST", [1, 1], "BYTES")
    asked.set_data_from_numpy(np.array([[sent]], dtype=np.object_))
    inputs = [asked]
    if tune is not None:
        inputs.append(InferInput("TUNE", [1, tune.size], "FP32"))
        inputs[1].set_data_from_numpy(tune[np.newaxis])
    answers: queue.SimpleQueue[InferenceServerException] = queue.SimpleQueue()
    with InferenceServerClient(both.url) as client:
        client.start_stream(lambda result, error: answers.put(error))
        client.async_stream_infer(NAME, inputs)
        refused = error_of(answers.get(timeout=30))
    assert isinstance(refused, InvalidRequest)
    assert told in refused.message


@dataclasses.dataclass
class Services:
    """A melody service that has its models on the server, where it listens, and one without."""

    there: "Stub"
    here: "Stub"
    address: str


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def services(both: Both, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    tmp_path = tmp_path_factory.mktemp("services")
    settings = {
        engine: MelodySettings(
            ORFEON_HOME=both.home,
            address=f"unix:{tmp_path / f's{engine}'}",
            engine=engine,
            triton_url=both.url,
            threads=1,
        )
        for engine in ("triton", "")
    }
    async with (
        running(MELODY, settings["triton"], load=False) as there,
        running(MELODY, settings[""], load=False) as here,
    ):
        yield Services(
            melody_pb2_grpc.MelodyServiceStub(there),
            melody_pb2_grpc.MelodyServiceStub(here),
            settings["triton"].address,
        )


def compose(stub: "Stub", **fields: Any) -> "Call":
    config = pb.ComposeConfig(
        **{
            "model": "musicgen-small", "prompt": "happy rock", "duration_seconds": 3.0, "seed": 7,
            "format": pb.AUDIO_FORMAT_WAV, **fields,
        }
    )  # fmt: skip
    return stub.Compose(iter([pb.ComposeRequest(config=config)]))


async def composed(stub: "Stub", **fields: Any) -> tuple[bytes, list[float]]:
    """The file, and how far it was told to be."""
    answers = [answer async for answer in compose(stub, **fields)]
    assert answers[-1].HasField("finished")
    told = [answer.progress.done for answer in answers if answer.HasField("progress")]
    return b"".join(answer.audio for answer in answers), told


@IN_ONE_LOOP
async def test_the_service_gives_the_same_file_with_and_without_the_server(
    services: Services,
) -> None:
    file, told = await composed(services.there)
    assert (file, told) == await composed(services.here)
    assert told[0] < 0.1
    assert told[-1] == 1.0


@IN_ONE_LOOP
async def test_the_service_refuses_what_the_model_there_refuses(services: Services) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await composed(services.there, artifacts=[pb.ARTIFACT_KIND_MIDI])
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@IN_ONE_LOOP
async def test_what_writes_notes_stays_with_the_service(both: Both, services: Services) -> None:
    await composed(services.there, model="", silent=True, prompt="")
    with InferenceServerClient(both.url) as client:
        models = client.get_model_repository_index().models
    assert {each.name for each in models if each.state} <= {NAME}


@IN_ONE_LOOP
async def test_a_call_that_is_cancelled_stops_the_work(both: Both, services: Services) -> None:
    work = await asyncio.to_thread(Work, both)
    call = compose(services.there, duration_seconds=180)
    async for answer in call:
        if answer.HasField("progress"):
            break
    call.cancel()
    assert await asyncio.to_thread(work.was_cut_short)


@IN_ONE_LOOP
async def test_the_gateway_gives_it_as_an_mp3(services: Services, tmp_path: Path) -> None:
    gateway = settings_for(tmp_path, services.address)
    keys = KeyStore(gateway.database_url)
    _, secret = keys.create("test")
    async with (
        running_gateway(gateway, keys) as url,
        AsyncOrfeon(url, secret) as client,
    ):
        tune = await client.melody(model="musicgen-small", prompt="happy", duration=2, seed=7)
        with pytest.raises(OrfeonError, match="writes no notes"):
            await client.melody(model="musicgen-small", response_format="midi")
    keys.close()
    heard = decode(io.BytesIO(tune.content), 8000, AudioLimits(10))
    assert len(heard) / 8000 == pytest.approx(2, abs=0.2)
    assert np.abs(heard).max() > 0.01
