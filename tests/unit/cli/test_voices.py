"""What the commands about voices print."""

import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orfeon.cli.app import app
from orfeon.cli.bars import chart, strip
from orfeon.cli.listen import line, paced
from orfeon.voices import (
    Classification,
    EmotionHeard,
    LabelScore,
    SessionCreated,
    SessionFinished,
    SpeakerResult,
    SpeechStarted,
    SpeechStopped,
    TimelineSegment,
)

LABELS = (LabelScore("happy", 0.9), LabelScore("sad", 0.1))
BARS = [f"  happy {'█' * 27:<30}  90.0%", f"  sad   {'█' * 3:<30}  10.0%"]


def segment(start: float, end: float, label: str | None) -> TimelineSegment:
    return TimelineSegment(start, end, label, 0.9 if label else None, ())


def test_the_chart_shows_every_label_best_first_and_every_speaker() -> None:
    found = Classification("m", 2.0, LABELS, "happy", 0.9)
    assert chart("a.wav", found).splitlines() == ["a.wav (2.0 s, m)", *BARS]
    speaker = SpeakerResult("A", 1.5, (), "happy", 0.9, LABELS)
    faster = Classification(
        "m", 2.0, LABELS, "happy", 0.9, fallback_for="slow", speakers=(speaker,)
    )
    assert chart("a.wav", faster).splitlines() == [
        "a.wav (2.0 s, m), instead of slow",
        *BARS,
        "A (1.5 s)",
        *BARS,
    ]


def test_the_chart_of_silence_says_so() -> None:
    found = Classification("m", 2.0, (), speech=False)
    assert chart("a.wav", found) == "a.wav (2.0 s, m)\n  nobody speaks\n"


def test_a_timeline_is_a_strip_of_letters_and_what_they_mean() -> None:
    parts = (segment(0, 4, "sad"), segment(5, 8, "surprised"), segment(8, 10, None))
    drawn = strip(parts, 12.0).plain.splitlines()
    assert drawn[0] == "s" * 24 + "·" * 6 + "u" * 18 + "·" * 24
    assert drawn[1] == "s sad  u surprised  · nobody"
    assert drawn[2:] == [
        "      0.0 -     4.0 s  sad 90%",
        "      5.0 -     8.0 s  surprised 90%",
        "      8.0 -    10.0 s  nobody speaks",
    ]


def test_events_are_lines() -> None:
    heard = segment(1, 3, "happy")
    assert line(SessionCreated("s", "m", ("happy", "sad"))) == "m tells happy, sad\n"
    assert line(SpeechStarted(1.04)) == "     1.0 s  somebody speaks\n"
    assert line(EmotionHeard(heard, 0.2)) == "     3.0 s  happy 90%\n"
    assert line(SpeechStopped(3.5, heard)) == "     3.5 s  silence; since 1.0 s: happy 90%\n"
    assert line(SessionFinished(4, 2)) == "     4.0 s  the end; 2.0 s of speech\n"


def test_a_file_is_played_as_long_as_it_lasts() -> None:
    now, waits = [10.0], []

    def sleep(seconds: float) -> None:
        waits.append(round(seconds, 3))
        now[0] += seconds

    for _ in paced(iter([b"x"] * 4), lambda: now[0], sleep):
        now[0] += 0.03
    assert waits == [0.07, 0.07, 0.07]


def wav(path: Path, width: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(16_000)
        file.writeframes(bytes(width * 100))
    return path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["listen", "text.txt"], "no WAV file"),
        (["listen", "empty.wav"], "no WAV file"),
        (["listen", "deep.wav"], "16 bits"),
        (["listen", "nowhere.wav"], "nowhere.wav"),
        (["diarize", "deep.wav", "--known", "ana.wav"], "--known"),
        (["diarize", "deep.wav", "--known", "Ana=nowhere.wav"], "nowhere.wav"),
    ],
)
def test_what_cannot_be_played_or_known_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("This is no recording.")
    Path("empty.wav").write_bytes(b"")
    wav(Path("deep.wav"), 3)
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 1
    assert sentence in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_samples_come_from_stdin_too() -> None:
    ran = CliRunner().invoke(app, ["listen", "--base-url", "http://127.0.0.1:9"], input=bytes(3200))
    assert ran.exit_code == 1
    assert "Nothing answers" in ran.stderr
