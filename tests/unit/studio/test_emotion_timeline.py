"""How voices go over time, drawn and as a table."""

import re

import numpy as np
import pytest

from orfeon.voices import TimelineSegment, Turn
from services.studio.pages.emotion_timeline import (
    Stretch,
    View,
    clock,
    drawn,
    merged,
    speaker_of,
    table,
)
from services.studio.texts import Texts
from services.studio.waveform import Waveform

T = Texts("en")


def segment(
    start: float, end: float, label: str | None, confidence: float = 0.8
) -> TimelineSegment:
    return TimelineSegment(start, end, label, confidence if label else None, ())


def loud(seconds: int) -> Waveform:
    waveform = Waveform(8_000)
    waveform.add(np.full(8_000 * seconds, 0.5, np.float32))
    return waveform


def test_neighbours_that_tell_the_same_are_one_stretch() -> None:
    stretches = merged(
        [
            segment(0.0, 1.0, None),
            segment(1.0, 3.0, "happy", 0.9),
            segment(3.2, 4.2, "happy", 0.6),
            segment(4.2, 5.0, "sad"),
            segment(8.0, 9.0, "sad"),
        ]
    )
    assert [(each.start, each.end, each.label) for each in stretches] == [
        (1.0, 4.2, "happy"),
        (4.2, 5.0, "sad"),
        (8.0, 9.0, "sad"),
    ]
    assert stretches[0].confidence == pytest.approx((0.9 * 2 + 0.6 * 1) / 3, abs=0.03)


def test_stretches_lie_where_they_are_and_say_their_names() -> None:
    stretches = [Stretch(2.0, 4.0, "happy", 0.9), Stretch(5.0, 10.0, "sad", 0.6)]
    html = drawn(View(0.0, 10.0, stretches, (), loud(10)), T)
    assert re.findall(r"left:([\d.]+)%;width:([\d.]+)%\">(\w+)<", html) == [
        ("20.000", "20.000", "happy"),
        ("50.000", "50.000", "sad"),
    ]
    assert 'role="img" aria-label="Timeline of 0:10; for longest: sad, happy"' in html


def test_each_speaker_has_a_lane_in_the_order_of_speaking() -> None:
    turns = (Turn("A", 0.0, 2.0), Turn("B", 2.0, 4.0), Turn("A", 4.0, 5.0))
    html = drawn(View(0.0, 5.0, [], turns, loud(5)), T)
    assert re.findall(r"emotion-lane-name\">([^<]+)<", html) == [
        "Emotion",
        "Speaker A",
        "Speaker B",
    ]
    assert html.count("emotion-turn-0") == 2
    assert html.count("emotion-turn-1") == 1


def test_what_lies_before_a_window_is_not_drawn_and_what_reaches_in_is_cut() -> None:
    stretches = [Stretch(2.0, 4.0, "happy", 0.9), Stretch(8.0, 15.0, "sad", 0.6)]
    html = drawn(View(10.0, 20.0, stretches, (), loud(20), fits=True), T)
    assert re.findall(r"left:([\d.]+)%;width:([\d.]+)%\">(\w+)<", html) == [
        ("0.000", "50.000", "sad")
    ]


def test_a_long_recording_is_wider_than_the_page_but_not_without_end() -> None:
    narrow = drawn(View(0.0, 60.0, [], (), loud(1)), T)
    hours = drawn(View(0.0, 7200.0, [], (), loud(1)), T)
    assert "width:max(100%, 2160px)" in narrow
    assert "width:max(100%, 12000px)" in hours
    assert len(hours) < 100_000
    assert "1:59" not in re.findall(r'%">([\d:]+)</span>', narrow)


def test_an_empty_recording_can_be_drawn() -> None:
    assert "nobody has spoken" in drawn(View(0.0, 0.0, [], (), Waveform(8_000)), T)


def test_the_table_tells_the_same_with_who_speaks() -> None:
    stretches = [Stretch(2.0, 4.0, "happy", 0.9), Stretch(65.0, 70.0, "sad", 0.6)]
    turns = (Turn("A", 1.0, 3.5), Turn("B", 3.5, 70.0))
    html = table(stretches, turns, T)
    cells = [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", html)]
    assert cells == ["0:02 – 0:04", "happy", "90 &#37;", "A", "1:05 – 1:10", "sad", "60 &#37;", "B"]
    assert re.findall(r'data-play="([\d.]+)"', html) == ["2.00", "65.00"]
    assert "Speaker" not in table(stretches, (), T)


def test_nobody_is_named_where_nobody_is_known_to_speak() -> None:
    assert speaker_of(Stretch(5.0, 6.0, "sad", 0.5), (Turn("A", 0.0, 2.0),)) == ""


def test_names_of_speakers_are_shown_as_text() -> None:
    turns = (Turn("<script>alert(1)</script>", 0.0, 2.0),)
    stretches = [Stretch(0.0, 2.0, "<i>odd</i>", 0.9)]
    view = View(0.0, 2.0, stretches, turns, loud(2))
    for html in (drawn(view, T), table(stretches, turns, T)):
        assert "<script" not in html
        assert "<i>" not in html


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0:00"), (65.9, "1:05"), (3725, "1:02:05")])
def test_times_are_written_as_people_do(seconds: float, said: str) -> None:
    assert clock(seconds) == said
