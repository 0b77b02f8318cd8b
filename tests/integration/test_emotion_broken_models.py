"""Models of a user that are not what they should be are refused by name, and the rest goes on."""

import shutil
from pathlib import Path

import grpc
import pytest
import yaml

from orfeon.api.emotion.v1 import emotion_pb2_grpc
from services.emotion.__main__ import EMOTION
from services.emotion.settings import EmotionSettings
from services.runtime.errors import ModelLoadFailed, ModelNotFound, OrfeonError
from services.runtime.status import error_of
from tests.fakes.container import running
from tests.integration.emotion_service import classify_parts, sound
from tests.integration.voices import wav

MEL = EMOTION.models / "emotion-mel"


def put(home: Path, name: str, head: bytes | None, **changes: object) -> None:
    """A user's model: the fallback's, under another name and changed."""
    folder = home / "models" / name
    folder.mkdir(parents=True)
    said = yaml.safe_load((MEL / "model.yaml").read_text("utf-8")) | {"name": name} | changes
    (folder / "model.yaml").write_text(yaml.safe_dump(said), "utf-8")
    if head is None:
        shutil.copy(MEL / "head.npz", folder / "head.npz")
    else:
        (folder / "head.npz").write_bytes(head)


async def test_a_model_that_is_broken_is_refused_by_its_name(tmp_path: Path) -> None:
    home = tmp_path / "home"
    put(home, "sound-as-a-bell", None)
    put(home, "corrupt", b"PK\x03\x04 and nothing else")
    put(home, "other-labels", None, labels=["cheerful", "gloomy"])
    put(home, "unknown-engine", None, engine="steam")
    settings = EmotionSettings(ORFEON_HOME=home, address=f"unix:{tmp_path / 's'}", preload=False)
    async with running(EMOTION, settings) as channel:
        stub = emotion_pb2_grpc.EmotionServiceStub(channel)

        async def refused(model: str) -> OrfeonError:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.Classify(iter(classify_parts(wav(sound(2)), model=model)))
            return error_of(raised.value)

        for name in ("corrupt", "other-labels"):
            error = await refused(name)
            assert isinstance(error, ModelLoadFailed)
            assert name in error.message
        for name in ("unknown-engine", "never-heard-of"):
            assert isinstance(await refused(name), ModelNotFound)
        answer = await stub.Classify(iter(classify_parts(wav(sound(2)), model="sound-as-a-bell")))
        assert answer.model == "sound-as-a-bell"
        # A tone is no speech.
        assert not answer.labels
