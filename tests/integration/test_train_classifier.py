"""Training a classifier end to end on tiny networks: clips, training, killed, resumed, served."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
import transformers
import yaml
from safetensors.numpy import load_file

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from services.emotion.__main__ import EMOTION
from services.emotion.evaluation.__main__ import main as evaluate
from services.emotion.settings import EmotionSettings
from services.runtime.registry import Registry
from tests.fakes.container import running
from tests.integration.training import Training, lines, train
from tests.tiny_classifiers import KINDS, tiny_classifier
from tests.tones import PITCHES, recorded_tones, tone, write_wav

QUICK = (
    "--classifies", "pitch", "--no-speech", "--seconds", "0.5", "--batch", "4",
    "--accumulation", "1", "--learning-rate", "0.003", "--freeze", "none", "--epochs", "4",
)  # fmt: skip


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty clips of three pitches by five speakers."""
    return recorded_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that knows other labels."""
    return tiny_classifier(tmp_path_factory.mktemp("base") / "tiny-base", labels=("yes", "no"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORFEON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_training_that_was_stopped_and_killed_ends_as_if_nothing_had_been(
    tones: Path, base: Path, home: Path, tmp_path: Path
) -> None:
    same = ("--data", tones, "--base", base, *QUICK, "--epochs", "8", "--checkpoint-every", "4")
    whole, parted = home / "models" / "whole", home / "models" / "parted"
    assert train(*same, "--output", whole) == 0
    events = tmp_path / "events.jsonl"

    stopped = Training(events, *same, "--output", parted)
    stopped.tells("checkpoint")
    code, said = stopped.ended_by(signal.SIGTERM)
    assert (code, "Traceback" in said) == (130, False)
    assert "--resume goes on" in said
    assert "Stopped after step" in lines(events)[-1]["message"]
    # It is neither begun anew by mistake, nor taken for a model.
    assert train(*same, "--output", parted) == 2
    assert list(home.rglob("parted/model.yaml")) == []

    killed = Training(events, "--resume", "--output", parted)
    killed.tells("checkpoint")
    assert killed.ended_by(signal.SIGKILL)[0] == -signal.SIGKILL
    assert not parted.exists()
    # Whoever is killed while it writes leaves half a checkpoint.
    newest = home / "training" / "runs" / "parted" / "checkpoints" / "checkpoint-9999"
    newest.mkdir()
    (newest / "model.safetensors").write_bytes(b"half")

    assert train("--resume", "--output", parted, "--events", events) == 0
    first, second = (load_file(folder / "model.safetensors") for folder in (whole, parted))
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert np.allclose(values, second[name], atol=1e-5), name
    told = lines(events)
    steps = [line["data"]["step"] for line in told if "train_loss" in line["data"]]
    assert steps[-1] == told[-2]["data"]["step"] == 48
    assert told[-1]["type"] == "result"
    assert told[-1]["data"]["model"] == "parted"
    # What is ready is not trained again by mistake.
    assert train("--resume", "--output", parted) == 2


async def test_what_was_trained_is_served_and_right(
    tones: Path, base: Path, home: Path, tmp_path: Path
) -> None:
    settings = EmotionSettings(ORFEON_HOME=home, address=f"unix:{tmp_path / 's'}")
    async with running(EMOTION, settings) as channel:
        # The service runs before there is the model.
        assert train("--data", tones, "--base", base, *QUICK, "--output", home / "models/mood") == 0
        for at, (label, pitch) in enumerate(PITCHES.items()):
            clip = write_wav(tmp_path / "clip.wav", tone(pitch, 0.8, 1000 + at)).read_bytes()
            answer = await asked(channel, clip, "mood")
            assert answer.model == "mood"
            assert {each.label for each in answer.labels} == set(PITCHES)
            assert answer.labels[0].label == label

    manifest = Registry(home, [EMOTION.models], EMOTION.name).get("mood")
    assert (manifest.classifies, manifest.engine) == ("pitch", "wav2vec2")
    folder = home / "models" / "mood"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["part"] == "test"
    assert metrics["accuracy"] > 0.8
    assert sum(metrics["clips"].values()) == 40
    card = (folder / "README.md").read_text()
    assert "On 9 clips that it was neither trained on nor chosen by" in card
    for text in (card, (folder / "metrics.json").read_text(), yaml.safe_dump(manifest.provenance)):
        assert str(tmp_path) not in text
    assert {path.name for path in folder.glob("*.png")} >= {
        "loss.png", "mood-confusion-counts.png", "mood-confusion-normalised.png",
        "mood-confusion-one-vs-rest.png",
    }  # fmt: skip
    assert list((home / "training" / "runs" / "mood" / "logs").iterdir())
    # And evaluated like any other.
    output = tmp_path / "evaluation"
    arguments = ["--data", str(tones), "--model", "mood", "--clips", "0", "--output", str(output)]
    with pytest.raises(SystemExit) as ended:
        evaluate(arguments)
    assert not ended.value.code
    [result] = json.loads((output / "metrics.json").read_text())["results"]
    assert result["figures"]["clips"] == 40
    assert result["figures"]["accuracy"] > 0.8


async def asked(channel: grpc.aio.Channel, clip: bytes, model: str) -> pb.ClassifyResponse:
    requests = [
        pb.ClassifyRequest(config=pb.ClassifyConfig(model=model)),
        pb.ClassifyRequest(audio=clip),
    ]
    return await emotion_pb2_grpc.EmotionServiceStub(channel).Classify(iter(requests))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "wav2vec2"])
def test_its_kin_are_fine_tuned_too(kind: str, tones: Path, home: Path, tmp_path: Path) -> None:
    network = tiny_classifier(tmp_path / kind, kind)
    output = home / "models" / f"pitch-{kind}"
    options = ("--epochs", "1", "--freeze", "features", "--metric", "uar")
    assert train("--data", tones, "--base", network, *QUICK, *options, "-o", output) == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (network, output))
    frozen = [name for name in before if "feature_extractor.conv" in name or "encoder.conv" in name]
    assert frozen
    for name in frozen:
        assert np.array_equal(before[name], after[name]), name
    assert not np.array_equal(before["projector.weight"], after["projector.weight"])


def refused(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str | Path) -> str:
    """Trains in vain, and gives the sentence that says why."""
    before = sorted(home.rglob("*"))
    assert train(*arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("orfeon: ")
    assert sorted(home.rglob("*")) == before
    return said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--labels", "low,high"], "clips are labelled 'middle', which is not among --labels"),
        (["--labels", "low,middle,high,shrill"], "No clip is labelled 'shrill'"),
        (["--drop", "shrill"], "No recording is labelled 'shrill'"),
        (["--drop", "low,middle"], "Every clip is labelled 'high'"),
        (["--merge", "low"], "'low' renames no label"),
        (["--merge", "low=middle,high=middle"], "Every clip is labelled 'middle'"),
        (["--epochs", "0"], "--epochs must be from 0.01"),
        (["--learning-rate", "nan"], "--learning-rate must be more than 0"),
        (["--held-out", "0.9"], "--held-out must be a share from 0.01 to 0.4"),
        (["--base", "no-such-base"], "The base no-such-base cannot be loaded"),
        (["--base", "emotion-whisper-tiny"], "is for the engine whisper-head"),
        (["--noise", "no-such-folder"], "no-such-folder"),
        (["--data", "no-such-folder"], "no-such-folder does not exist"),
        (["--data", "acme/speech-commands"], "pip install datasets"),
        (["--data", ""], "Name with --data"),
        (["--output", "/tmp/no good name"], "becomes the model's"),
        (["--resume"], "holds no training to resume"),
        (["--events", "/no/such/folder/events.jsonl"], "there is no folder /no/such/folder"),
        (["--method", "head", "--base", "nobody"], "nobody is none: there are emotion-whisper"),
    ],
)
def test_what_cannot_be_trained_is_told_so_in_a_sentence_and_leaves_no_trace(
    arguments: list[str],
    sentence: str,
    tones: Path,
    base: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home.mkdir()
    given: list[str | Path] = ["--data", tones, "--base", base, *QUICK, *arguments]
    assert sentence in refused(capsys, home, *given)


def test_clips_that_cannot_be_read_are_named_skipped_and_counted(
    tones: Path, base: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(tones, tmp_path / "data")
    (data / "low" / "speaker1" / "broken.wav").write_bytes(b"RIFF and nothing more")
    (data / "high" / "speaker2" / "empty.flac").write_bytes(b"")
    events = tmp_path / "events.jsonl"
    output = home / "models" / "mood"
    code = train(
        "--data", data, "--base", base, *QUICK, "--epochs", "1", "-o", output, "--events", events
    )
    assert code == 0
    said = capsys.readouterr().err
    for text in (said, "\n".join(line["message"] for line in lines(events))):
        assert "broken.wav cannot be read and is left out" in text
        assert "empty.flac cannot be read and is left out" in text
        assert "2 clips cannot be read" in text
    assert json.loads((output / "metrics.json").read_text())["skipped"] == 2
    assert "2 clips could not be read and were left out" in (output / "README.md").read_text()


def test_a_random_split_is_warned_of_loudly(
    tones: Path, base: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = home / "models" / "mood"
    code = train(
        "--data", tones, "--base", base, *QUICK, "--epochs", "1", "--split", "random", "-o", output
    )
    assert code == 0
    assert "Mind: --split random: the same voices" in capsys.readouterr().err.replace("\n", " ")
    assert "**Mind:** --split random" in (output / "README.md").read_text()


def test_a_loss_that_is_no_number_is_told_so(
    tones: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tiny_classifier(tmp_path / "wild")
    network = transformers.AutoModelForAudioClassification.from_pretrained(base)
    with torch.no_grad():
        network.projector.weight.fill_(1e38)
    network.save_pretrained(base)
    events = tmp_path / "events.jsonl"
    output = home / "models" / "mood"
    assert train("--data", tones, "--base", base, *QUICK, "-o", output, "--events", events) == 1
    assert "After step 1 the loss is no number any more" in capsys.readouterr().err
    assert lines(events)[-1]["level"] == "error"
    assert not output.exists()


def test_the_command_line_reaches_it() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "orfeon", "train", "classifier", "--help"],
        capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "orfeon train classifier" in done.stdout
    assert "--learning-rate" in done.stdout
