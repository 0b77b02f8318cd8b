"""A head trained on real speech with the real encoder: stopped, resumed, served."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from services.emotion.__main__ import EMOTION
from services.emotion.head import Head
from services.emotion.settings import EmotionSettings
from services.runtime.registry import Registry
from tests.fakes.container import running
from tests.integration.training import Training, lines, train
from tests.integration.voices import RAVDESS

pytestmark = pytest.mark.skipif(not RAVDESS.is_dir(), reason="RAVDESS is not here")

#: Happy, sad and angry, in strong intensity; ten clips of each of six actors.
_EMOTIONS, _ACTORS, _EACH = ("03", "04", "05"), range(1, 7), 10


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty clips of RAVDESS."""
    folder = tmp_path_factory.mktemp("ravdess")
    for actor in _ACTORS:
        here = folder / f"Actor_{actor:02}"
        here.mkdir()
        clips = sorted((RAVDESS / here.name).glob("03-01-*"))
        strong = [c for c in clips if c.stem[6:8] in _EMOTIONS and c.stem[9:11] == "02"]
        for clip in strong[:_EACH]:
            (here / clip.name).symlink_to(clip.resolve())
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORFEON_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


async def test_a_head_is_trained_stopped_resumed_and_served(
    speech: Path, home: Path, tmp_path: Path
) -> None:
    same = ("--data", speech, "--method", "head", "--copies", "1")
    whole, parted = home / "models" / "whole", home / "models" / "parted"
    assert train(*same, "--output", whole) == 0

    events = tmp_path / "events.jsonl"
    stopped = Training(events, *same, "--output", parted)
    stopped.tells("metrics")
    code, said = stopped.ended_by(signal.SIGTERM)
    assert (code, "Traceback" in said) == (130, False)
    assert not parted.exists()
    assert train("--resume", "--output", parted, "--events", events) == 0
    told = lines(events)
    assert [line["type"] for line in told].count("checkpoint") == 1
    assert told[-1]["data"]["trained_clips"] == 50

    first, second = (Head.load(folder / "head.npz") for folder in (whole, parted))
    assert first.labels == second.labels == ["happy", "sad", "angry"]
    assert np.allclose(first.weight, second.weight, atol=1e-6)
    assert first.temperature == pytest.approx(second.temperature)

    manifest = Registry(home, [EMOTION.models], EMOTION.name).get("whole")
    # What RAVDESS's licence says is said of the head.
    assert (manifest.licence, manifest.commercial_use) == ("CC-BY-NC-SA-4.0", False)
    assert "RAVDESS" in manifest.provenance
    assert (whole / "head.npz").stat().st_size < 1_000_000
    metrics = json.loads((whole / "metrics.json").read_text())
    assert (metrics["part"], metrics["figures"]["clips"]) == ("test", 10)
    # Of three, for a voice that it has not heard.
    assert metrics["accuracy"] > 0.6

    settings = EmotionSettings(ORFEON_HOME=home, address=f"unix:{tmp_path / 's'}")
    clip = next((speech / "Actor_05").iterdir()).read_bytes()
    async with running(EMOTION, settings) as channel:
        requests = [
            pb.ClassifyRequest(config=pb.ClassifyConfig(model="whole")),
            pb.ClassifyRequest(audio=clip),
        ]
        answer = await emotion_pb2_grpc.EmotionServiceStub(channel).Classify(iter(requests))
    assert answer.model == "whole"
    assert {each.label for each in answer.labels} == {"happy", "sad", "angry"}
