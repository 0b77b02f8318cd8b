from dataclasses import dataclass

import pytest

from gateway.languages import ENGLISH_NAMES
from gateway.transcripts import plain, srt, vtt


@dataclass
class Line:
    start: float
    end: float
    text: str


def test_plain_text_joins_and_trims() -> None:
    assert plain([Line(0, 1, " One."), Line(1, 2, " Two.")]) == "One. Two."
    assert plain([]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "00:00:00"), (59.9996, "00:01:00"), (3_661.5, "01:01:01"), (360_000, "100:00:00")],
)
def test_times_carry_over(seconds: float, text: str) -> None:
    assert f"{text}," in srt([Line(seconds, seconds, "x")])
    assert f"{text}." in vtt([Line(seconds, seconds, "x")])


def test_subrip_is_numbered_from_one() -> None:
    assert srt([Line(0, 1.5, " One."), Line(1.5, 2, " Two.")]) == (
        "1\n00:00:00,000 --> 00:00:01,500\nOne.\n\n2\n00:00:01,500 --> 00:00:02,000\nTwo.\n\n"
    )


def test_webvtt_escapes_what_would_be_markup() -> None:
    assert vtt([Line(0, 1, " a < b & c --> d")]) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na &lt; b &amp; c -> d\n\n"
    )


def test_a_cue_has_no_empty_line() -> None:
    assert "a\nb\n\n" in srt([Line(0, 1, "a\n\n b")])


def test_nothing_said_is_still_a_file() -> None:
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n\n"


def test_languages_have_names() -> None:
    assert len(ENGLISH_NAMES) == 101
    assert ENGLISH_NAMES["es"] == "spanish"
    assert ENGLISH_NAMES["ht"] == "haitian creole"
