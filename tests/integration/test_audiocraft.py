"""AudioCraft itself behind the real service: `python -m services.melody`, in its own environment.

`make .venv/.audiocraft` makes that, as `make test` does. Models: the two that AudioCraft makes up
for tests, and a checkpoint of random weights in the format of the published ones.
"""

import io
import os
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from orfeon.api.melody.v1 import melody_pb2, melody_pb2_grpc
from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from tests.recordings import tone, wav
from tests.tiny_musicgen import RATE

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.prefix + "-audiocraft") / "bin" / "python"
MODELS: dict[str, dict[str, Any]] = {
    "debug": {"tasks": ["music"], "options": {"pretrained": "debug"}},
    "debug-sounds": {"tasks": ["sound"], "options": {"pretrained": "debug"}},
    "checkpoint": {"tasks": ["music"], "options": {}},
}

Compose = melody_pb2.ComposeRequest


@dataclass(frozen=True)
class Composed:
    """A whole answer."""

    started: melody_pb2.Started
    progress: list[float]
    file: bytes

    @property
    def samples(self) -> NDArray[np.int16]:
        """Shape `(samples, channels)`."""
        with wave.open(io.BytesIO(self.file)) as read:
            flat = np.frombuffer(read.readframes(read.getnframes()), np.int16)
            return flat.reshape(-1, read.getnchannels())

    @property
    def rate(self) -> int:
        """Samples per second."""
        with wave.open(io.BytesIO(self.file)) as read:
            rate: int = read.getframerate()
            return rate


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    assert PYTHON.exists(), "AudioCraft's environment is missing: make .venv/.audiocraft"
    folder = tmp_path_factory.mktemp("audiocraft")
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1",
        "ORFEON_HOME": str(folder / "home"), "ORFEON_MELODY_PRELOAD": "false",
        "ORFEON_MELODY_ADDRESS": f"unix:{folder / 's'}", "ORFEON_MELODY_THREADS": "1",
    }  # fmt: skip
    subprocess.run(
        [PYTHON, ROOT / "tests" / "audiocraft_files.py"],
        cwd=folder, env=environment, check=True, capture_output=True,
    )  # fmt: skip
    for name in MODELS:
        describe(name, folder)
    with (folder / "log").open("wb") as log:
        command = [str(PYTHON), "-m", "services.melody"]
        service = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield f"unix:{folder / 's'}"
    finally:
        service.terminate()
        service.wait(30)
    said = (folder / "log").read_text("utf-8")
    assert "Traceback" not in said
    assert "happy" not in said


def describe(name: str, folder: Path) -> None:
    home = folder / "home" / "models" / name
    home.mkdir(parents=True)
    files = {}
    if name == "checkpoint":
        kept = [path for path in (folder / "checkpoint").rglob("*") if path.is_file()]
        files = {
            str(path.relative_to(folder / "checkpoint")): {"sources": [{"local": str(path)}]}
            for path in kept
        }
    described = {
        "name": name, "capability": "melody", "engine": "audiocraft", "owned_by": "us",
        "licence": "MIT", "memory_bytes": 10_000_000, "files": files, **MODELS[name],
    }  # fmt: skip
    (home / "model.yaml").write_text(yaml.safe_dump(described), "utf-8")


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        yield channel


def asking(tune: bytes = b"", **fields: Any) -> Iterator[Compose]:
    asked = {
        "model": "debug", "prompt": "happy rock", "seed": 1, "duration_seconds": 2.0,
        "format": melody_pb2.AUDIO_FORMAT_WAV, **fields,
    }  # fmt: skip
    yield Compose(config=melody_pb2.ComposeConfig(**asked))
    if tune:
        yield Compose(audio=tune)


async def composed(address: str, tune: bytes = b"", **fields: Any) -> Composed:
    async with connected(address) as channel:
        stub = melody_pb2_grpc.MelodyServiceStub(channel)
        started, progress, file, ended = melody_pb2.Started(), [], b"", False
        async for answer in stub.Compose(asking(tune, **fields), timeout=300):
            match answer.WhichOneof("event"):
                case "started":
                    started = answer.started
                case "progress":
                    progress.append(answer.progress.done)
                case "audio":
                    file += answer.audio
                case "finished":
                    ended = True
    assert ended
    return Composed(started, progress, file)


async def refused(address: str, tune: bytes = b"", **fields: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await composed(address, tune, **fields)
    return error.value


async def test_the_same_seed_gives_the_same_file_and_another_gives_another(address: str) -> None:
    first, again = await composed(address), await composed(address)
    other = await composed(address, seed=2)
    assert first.file == again.file
    assert first.file != other.file
    assert np.abs(first.samples).max() > 1000


@pytest.mark.parametrize("seconds", [1.373, 30.05, 41.0])
async def test_it_is_as_long_as_asked_for_also_past_what_is_written_at_once(
    address: str, seconds: float
) -> None:
    found = await composed(address, duration_seconds=seconds)
    assert found.rate == 32000
    assert found.samples.shape == (round(seconds * 32000), 1)
    assert found.started.duration_seconds == pytest.approx(seconds, abs=1 / 32000)
    assert found.progress == sorted(set(found.progress))
    assert found.progress[0] < 0.1
    assert found.progress[-2] > 0.95
    assert found.progress[-1] == 1.0


async def test_audiogen_makes_sounds_and_no_music(address: str) -> None:
    sound = melody_pb2.TASK_SOUND
    found = await composed(address, model="debug-sounds", task=sound, duration_seconds=12.0)
    assert found.rate == 16000
    assert len(found.samples) == 12 * 16000
    for error in (await refused(address, task=sound), await refused(address, model="debug-sounds")):
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_who_leaves_makes_room_for_the_next(address: str) -> None:
    async with connected(address) as channel:
        stub = melody_pb2_grpc.MelodyServiceStub(channel)
        long = stub.Compose(asking(duration_seconds=180.0))
        async for answer in long:
            if answer.HasField("progress"):
                assert answer.progress.done < 0.1
                break
        long.cancel()
    # It has one place, and what was left would have taken minutes.
    assert (await composed(address)).samples.any()


async def test_a_checkpoint_is_loaded_with_all_that_it_names(address: str) -> None:
    plain = await composed(address, model="checkpoint")
    assert plain.rate == RATE
    assert plain.samples.shape == (2 * RATE, 2)
    left, right = plain.samples.T
    assert not np.array_equal(left, right)
    # Its own T5 reads the prompt, and Demucs hears the tune.
    other_text = await composed(address, model="checkpoint", prompt="sad music")
    followed = await composed(address, wav(tone(3)), model="checkpoint")
    assert len({plain.file, other_text.file, followed.file}) == 3
    longer = await composed(address, model="checkpoint", duration_seconds=23.0)
    assert longer.samples.shape == (23 * RATE, 2)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"artifacts": [melody_pb2.ARTIFACT_KIND_MIDI]}, "no midi"),
        ({"silent": True}, "nothing but sound"),
        ({"sections": [melody_pb2.Section(kind="verse", lines=[melody_pb2.Line(syllables=8)])]},
         "no melody for lines"),
        ({"tune": wav(tone(1))}, "follows no melody"),
    ],
)  # fmt: skip
async def test_what_it_cannot_do_is_refused_in_a_sentence(
    address: str, fields: dict[str, Any], said: str
) -> None:
    error = await refused(address, **fields)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert said in (error.details() or "")


async def test_its_memory_is_given_back_and_it_is_loaded_again(address: str) -> None:
    before = await composed(address, model="checkpoint")
    async with connected(address) as channel:
        stub = models_pb2_grpc.ModelServiceStub(channel)
        await stub.UnloadModel(models_pb2.UnloadModelRequest(id="checkpoint"))
    assert (await composed(address, model="checkpoint")).file == before.file
