"""`orfeon eval classifier`, from clips to a report."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from services.emotion.degradation import played
from services.emotion.evaluation.__main__ import main
from services.emotion.evaluation.cost import measure
from services.emotion.evaluation.report import page
from services.emotion.evaluation.result import Report
from tests.integration.voices import synthetic, wav

#: The fake engine goes by loudness: these labels it tells right, at these levels.
LEVELS = {"quiet": 0.1, "loud": 0.9}
MODEL = """
name: by-loudness
capability: emotion
engine: fake
tasks: [classification]
owned_by: me
licence: Apache-2.0
classifies: loudness
labels: [quiet, loud]
memory_bytes: 1000
files: {}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home" / "models" / "by-loudness"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(MODEL)
    monkeypatch.setenv("ORFEON_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two voices, each quiet and loud, four clips of a second of each."""
    voice = synthetic(1)
    voice /= np.abs(voice).max()
    for label, level in LEVELS.items():
        for whose, speaker in enumerate(("ann", "bob")):
            folder = tmp_path / "corpus" / label / speaker
            folder.mkdir(parents=True)
            for take in range(4):
                # No two alike: the second of a pair would be left out.
                clip = wav((level - take / 100 - whose / 200) * voice)
                (folder / f"{take}.wav").write_bytes(clip)
    return tmp_path / "corpus"


def evaluated(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0)


def test_the_command_writes_one_report_with_its_plots(
    home: Path, corpus: Path, tmp_path: Path
) -> None:
    (corpus / "loud" / "ann" / "broken.wav").write_bytes(b"RIFF")
    noise = tmp_path / "noise" / "hum"
    noise.mkdir(parents=True)
    (noise / "4-1-A.wav").write_bytes(wav(0.1 * synthetic(2)))
    output = tmp_path / "out"
    program = Path(sys.executable).with_name("orfeon")
    orfeon = [str(program), "eval", "classifier", "--model", "by-loudness"]
    options = ["--data", corpus, "--noise", tmp_path / "noise", "--voices", corpus, "--output"]
    done = subprocess.run(
        [*orfeon, *map(str, options), str(output), "--fast"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == str(output / "report.md")

    report = Report.load(output / "metrics.json")
    [result] = report.results
    assert report.fast
    assert result.figures.accuracy == 1
    assert result.figures.clips == 16
    assert result.speakers == {"corpus/ann": (8, 1.0), "corpus/bob": (8, 1.0)}
    assert [each.split(":")[0] for each in result.skipped] == ["broken.wav"]
    assert result.cost is not None
    assert result.cost.peak_bytes > 10_000_000
    suffered = {each.kind: each for each in result.robustness}
    assert {"white", "babble", "hum", "telephone", "mp3", "opus", "clipping"} <= suffered.keys()
    # Twenty decibels more make every clip loud.
    assert suffered["gain"].accuracy == pytest.approx(0.5, abs=0.3)
    assert suffered["gain"].clean == 1

    text = (output / "report.md").read_text()
    assert text == page(report)
    pictures = {path.name for path in output.glob("*.png")}
    assert len(pictures) == 7
    assert all(f"]({name})" in text for name in pictures)
    assert str(tmp_path) not in text + (output / "metrics.json").read_text()


def test_memory_is_that_of_the_model_and_not_of_whoever_measures(home: Path, corpus: Path) -> None:
    ballast = np.ones(60_000_000)
    cost = measure("by-loudness", [corpus / "loud" / "ann" / "0.wav"])
    assert 10_000_000 < cost.peak_bytes < ballast.nbytes
    assert 0 < cost.median_ms <= cost.p95_ms <= cost.p99_ms


def test_the_same_seed_gives_the_same_report(home: Path, corpus: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        arguments = ("--data", corpus, "--model", "by-loudness", "--no-cost", "--clips", 4)
        assert evaluated(*arguments, "--output", tmp_path / name, "--fast") == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_clips_that_suffer_nothing_are_answered_as_before(
    home: Path, corpus: Path, tmp_path: Path
) -> None:
    arguments = ("--data", corpus, "--model", "by-loudness", "--no-cost", "--clips", 0)
    assert evaluated(*arguments, "--output", tmp_path / "out") == 0
    [result] = Report.load(tmp_path / "out" / "metrics.json").results
    assert result.robustness == []
    assert "noise" not in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize(
    ("spoil", "options", "sentence"),
    [
        ("loud", (), "All clips are labelled quiet"),
        ("", ("--labels", "loud"), "All clips are labelled loud"),
        ("", ("--merge", "loud=shouted"), "labels that the model does not: shouted"),
        ("", ("--drop", "load"), "'load', which is to be renamed or left out; the labels are loud"),
        ("", ("--labels", "load"), "'load', which is to be kept; the labels are loud, quiet"),
        ("", ("--merge", "loud"), "renames no label"),
        ("", ("--model", "by-lightness"), "no classifier 'by-lightness' here; there are"),
        ("*", (), "holds no audio"),
        ("", ("--noise", "nowhere"), "nowhere is not a folder"),
        ("", ("--data", "nowhere.csv"), "nowhere.csv cannot be read"),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_a_sentence(
    home: Path,
    corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: str,
    options: tuple[str, ...],
    sentence: str,
) -> None:
    for path in corpus.glob(f"{spoil}/*/*.wav" if spoil == "loud" else "*/*/*.wav"):
        if spoil:
            path.unlink()
    output = tmp_path / "out"
    arguments = ("--data", corpus, "--model", "by-loudness", "--no-cost", "--output", output)
    assert evaluated(*arguments, *options) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
    assert not output.exists()


def test_a_corpus_of_which_nothing_can_be_read_is_told(
    home: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at, path in enumerate(corpus.glob("*/*/*.wav")):
        path.write_bytes(b"RIFF" + bytes([at]))
    arguments = ("--data", corpus, "--model", "by-loudness", "--output", tmp_path / "out")
    assert evaluated(*arguments) == 2
    assert "None of the 16 clips can be read; the first is" in capsys.readouterr().err


def test_it_can_be_interrupted(home: Path, corpus: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    clips = [f"{path},{path.parent.parent.name}" for path in corpus.glob("*/*/0.wav")]
    # Who opens the first for writing knows that the command has come to it; it comes to the second
    # next, which nobody ever opens.
    pipes = ("first.wav", "second.wav")
    table.write_text("\n".join(["path,label", *clips, *(f"{pipe},loud" for pipe in pipes)]))
    for pipe in pipes:
        os.mkfifo(tmp_path / pipe)
    command = [sys.executable, "-m", "services.emotion.evaluation", "--model", "by-loudness"]
    running = subprocess.Popen(
        [*command, "--data", str(table), "--output", str(tmp_path / "out")],
        stderr=subprocess.PIPE,
        text=True,
    )
    with (tmp_path / "first.wav").open("wb"):
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """Six voices, each of a pitch of its own, who say something high and something low."""
    for at in range(6):
        for label, speed in (("high", 1.5), ("low", 0.75)):
            folder = tmp_path / "voices" / label / f"speaker{at}"
            folder.mkdir(parents=True)
            for take in range(3):
                said = played(synthetic(2), speed + at / 50 + take / 200)
                (folder / f"{take}.wav").write_bytes(wav(said))
    return tmp_path / "voices"


def test_a_head_is_fitted_anew_without_those_who_are_asked(
    home: Path, voices: Path, tmp_path: Path
) -> None:
    arguments = ("--data", voices, "--model", "emotion-mel", "--no-cost", "--clips", 2, "--fast")
    for name in ("first", "again"):
        assert evaluated(*arguments, "--folds", 3, "--output", tmp_path / name) == 0
    [result] = Report.load(tmp_path / "first" / "metrics.json").results
    assert [len(fold.speakers) for fold in result.folds] == [2, 2, 2]
    assert result.figures.accuracy > 0.9
    assert result.calibration.before_is == "without temperature"
    assert len(result.robustness) > 5
    # What was listened to is known the second time, and the figures are the same.
    assert len(list((home / "cache").glob("mel-head-*.npz"))) == 2
    again = (tmp_path / "again" / "metrics.json").read_bytes()
    assert again == (tmp_path / "first" / "metrics.json").read_bytes()


def test_a_head_is_fitted_anew_on_one_corpus_and_asked_about_another(
    home: Path, voices: Path, tmp_path: Path
) -> None:
    other = tmp_path / "others"
    for path in voices.glob("*/speaker5/*.wav"):
        moved = other / path.relative_to(voices)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
    arguments = ("--data", voices, "--test", other, "--model", "emotion-mel", "--no-cost")
    assert evaluated(*arguments, "--clips", 0, "--output", tmp_path / "out") == 0
    [result] = Report.load(tmp_path / "out" / "metrics.json").results
    assert result.speakers.keys() == {"others/speaker5"}
    assert result.figures.accuracy > 0.9


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--model", "by-loudness", "--folds", "2"), "by-loudness is no head on an encoder"),
        (("--folds", "2", "--test", "{voices}"), "--folds or --test"),
        (("--test", "{voices}"), "would be learnt from and tested with"),
    ],
)
def test_what_cannot_be_fitted_anew_is_told(
    home: Path,
    voices: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    sentence: str,
) -> None:
    arguments = ("--data", voices, "--model", "emotion-mel", "--no-cost")
    told = [option.format(voices=voices) for option in options]
    assert evaluated(*arguments, "--output", tmp_path / "out", *told) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
