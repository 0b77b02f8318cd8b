"""The melody container over a real socket, with a musician that needs no weights."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
import symusic

from orfeon.api.melody.v1 import melody_pb2 as pb
from orfeon.api.melody.v1 import melody_pb2_grpc
from services.melody.__main__ import MELODY
from services.melody.engine import MelodyRequest, Musician, Piece, Sound, Started
from services.melody.fake_engine import FakeMelodyEngine, FakeMusician
from services.melody.settings import MelodySettings
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
from services.runtime.server import Capability
from services.runtime.status import error_of
from services.runtime.worker import Cancellation
from tests.fakes.container import running
from tests.recordings import tone, wav

MODEL = """
name: tiny
capability: melody
engine: symbolic
tasks: [music]
default: true
owned_by: orfeon
licence: Apache-2.0
memory_bytes: 1000
files: {}
options:
  genres:
    pop: {tempo: [90, 130]}
    rock: {tempo: [100, 150]}
"""

if TYPE_CHECKING:
    Stub = melody_pb2_grpc.MelodyServiceAsyncStub


def settings(tmp_path: Path) -> MelodySettings:
    return MelodySettings(
        ORFEON_HOME=tmp_path / "home",
        address=f"unix:{tmp_path / 's'}",
        engine="fake",
        max_audio_bytes=2**20,
        max_audio_seconds=20,
    )


def with_models(tmp_path: Path) -> Capability[Musician, MelodySettings]:
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "tiny" / "model.yaml").write_text(MODEL)
    return dataclasses.replace(MELODY, models=tmp_path / "models")


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[Stub]:
    async with running(with_models(tmp_path), settings(tmp_path)) as channel:
        yield melody_pb2_grpc.MelodyServiceStub(channel)


def upload(config: pb.ComposeConfig, tune: bytes = b"") -> Iterator[pb.ComposeRequest]:
    yield pb.ComposeRequest(config=config)
    for at in range(0, len(tune), 10_000):
        yield pb.ComposeRequest(audio=tune[at : at + 10_000])


async def composed(stub: Stub, tune: bytes = b"", **config: object) -> list[pb.ComposeResponse]:
    asked = pb.ComposeConfig(**config)  # type: ignore[arg-type]
    return [answer async for answer in stub.Compose(upload(asked, tune))]


async def refusal(stub: Stub, tune: bytes = b"", **config: object) -> OrfeonError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await composed(stub, tune, **config)
    return error_of(failed.value)


@pytest.mark.parametrize("name", ["UNSPECIFIED", "MP3", "WAV", "FLAC", "OGG"])
async def test_a_piece_is_played_in_every_format(stub: Stub, name: str) -> None:
    first, *rest, last = await composed(
        stub, duration_seconds=3.25, seed=7, format=pb.AudioFormat.Value(f"AUDIO_FORMAT_{name}")
    )
    assert first.started == pb.Started(
        model="tiny", genre="pop", seed=7, duration_seconds=3.25, tempo=120, key="C major"
    )
    assert {part.WhichOneof("event") for part in rest} == {"progress", "audio"}
    samples = decode(io.BytesIO(b"".join(part.audio for part in rest)), 8000, AudioLimits(10))
    assert len(samples) / 8000 == pytest.approx(3.25, abs=0.12)
    assert np.abs(samples).max() > 0.2
    assert last.finished.duration_seconds == 3.25


async def test_everything_beside_the_sound(stub: Stub, tmp_path: Path) -> None:
    sections = [pb.Section(kind="verse", lines=[pb.Line(syllables=3), pb.Line(syllables=2)])]
    kinds = [value for value in pb.ArtifactKind.values() if value]
    answers = await composed(stub, sections=sections, artifacts=kinds, silent=True, seed=1)
    files: dict[str, bytes] = {}
    for answer in answers:
        assert not answer.audio
        if answer.HasField("artifact"):
            name = answer.artifact.name
            files[name] = files.get(name, b"") + answer.artifact.data
    assert set(files) == {"melody.mid", "melody.musicxml", "stem-lead.mp3"}
    (tmp_path / "melody.mid").write_bytes(files["melody.mid"])
    read: Any = symusic.Score(str(tmp_path / "melody.mid"))
    notes = read.tracks[0].notes
    assert [note.pitch for note in notes][:2] == [62, 64]
    (score,) = (answer.score for answer in answers if answer.HasField("score"))
    assert [len(line.notes) for line in score.lines] == [3, 2]


async def test_a_seed_is_made_up_and_told_and_gives_the_piece_again(stub: Stub) -> None:
    first = await composed(stub, duration_seconds=2)
    again = await composed(stub, duration_seconds=2, seed=first[0].started.seed)
    other = await composed(stub, duration_seconds=2)
    assert [part.audio for part in again] == [part.audio for part in first]
    assert other[0].started.seed != first[0].started.seed


class Listener(FakeMusician):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[MelodyRequest] = []

    def compose(self, request: MelodyRequest, cancelled: Cancellation) -> Iterator[Piece]:
        self.asked.append(request)
        return super().compose(request, cancelled)


class Engine(FakeMelodyEngine):
    """Loads one musician."""

    def __init__(self, musician: Musician) -> None:
        self._musician = musician

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> Musician:
        return self._musician


async def test_a_tune_to_follow_reaches_the_musician_as_samples(tmp_path: Path) -> None:
    listener = Listener()
    engines = {"fake": lambda _settings: Engine(listener)}
    capability = dataclasses.replace(with_models(tmp_path), engines=engines)
    async with running(capability, settings(tmp_path)) as channel:
        stub: Stub = melody_pb2_grpc.MelodyServiceStub(channel)
        await composed(stub, wav(tone(2.0, 16_000, 2)), duration_seconds=1)
        await composed(stub, duration_seconds=1)
    heard, nothing = (request.tune for request in listener.asked)
    assert heard is not None
    assert heard.shape == pytest.approx((64_000,), abs=10)
    assert np.abs(heard).max() == pytest.approx(0.1, abs=0.01)
    assert nothing is None


async def test_bad_recordings_are_refused_and_the_service_lives_on(stub: Stub) -> None:
    for tune in (b"not a recording\n" * 100, wav(tone(2.0) * 0), wav(tone(0.2))):
        refused = await refusal(stub, tune)
        assert (type(refused), refused.param) == (InvalidAudio, "file")
    assert isinstance(await refusal(stub, wav(tone(21.0, 4000), 4000)), ContentTooLarge)
    assert isinstance(await refusal(stub, bytes(2**20 + 1)), ContentTooLarge)
    assert (await composed(stub, duration_seconds=1))[-1].HasField("finished")


async def test_a_request_is_refused_by_its_field_before_its_recording_is_read(stub: Stub) -> None:
    genre = await refusal(stub, bytes(2**20), genre="polka")
    assert isinstance(genre, InvalidRequest)
    assert (genre.param, "pop, rock" in genre.message) == ("genre", True)
    assert (await refusal(stub, duration_seconds=181)).param == "duration"
    assert isinstance(await refusal(stub, model="nope"), ModelNotFound)
    assert isinstance(await refusal(stub, task=pb.TASK_SOUND, prompt="rain"), ModelNotFound)
    assert (await refusal(stub, task=pb.TASK_SOUND, prompt="rain", model="tiny")).param == "model"


async def test_the_genres_are_listed_without_a_model_in_memory(tmp_path: Path) -> None:
    async with running(with_models(tmp_path), settings(tmp_path), load=False) as channel:
        stub: Stub = melody_pb2_grpc.MelodyServiceStub(channel)
        listed = (await stub.ListGenres(pb.ListGenresRequest())).genres
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.ListGenres(pb.ListGenresRequest(model="nope"))
    assert list(listed) == [
        pb.Genre(name="pop", slowest=90, fastest=130),
        pb.Genre(name="rock", slowest=100, fastest=150),
    ]
    assert isinstance(error_of(failed.value), ModelNotFound)


class Endless(FakeMusician):
    """Never stops by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = threading.Event()

    def compose(self, request: MelodyRequest, cancelled: Cancellation) -> Iterator[Piece]:
        try:
            yield Started(180, 8000, 1)
            while not cancelled.is_set:
                yield Sound(np.zeros((8000, 1), np.float32))
        finally:
            self.stopped.set()


async def test_leaving_stops_the_musician(tmp_path: Path) -> None:
    endless = Endless()
    engines = {"fake": lambda _settings: Engine(endless)}
    capability = dataclasses.replace(with_models(tmp_path), engines=engines)
    async with running(capability, settings(tmp_path)) as channel:
        stub: Stub = melody_pb2_grpc.MelodyServiceStub(channel)
        call = stub.Compose(upload(pb.ComposeConfig(format=pb.AUDIO_FORMAT_WAV)))
        async for part in call:
            if part.audio:
                break
        call.cancel()
        assert await asyncio.to_thread(endless.stopped.wait, 10)
