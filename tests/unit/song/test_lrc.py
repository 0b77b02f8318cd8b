import math
import re

import pytest

from services.song.lrc import lrc

LINE = re.compile(r"\[(\d\d+):([0-5]\d)\.(\d\d)\](.*)")


def times(text: str) -> list[float]:
    found = [LINE.fullmatch(row) for row in text.splitlines()[3:]]
    return [int(m[1]) * 60 + int(m[2]) + int(m[3]) / 100 for m in found if m]


def test_a_song_has_its_tags_and_a_time_for_each_line() -> None:
    written = lrc("Midnight Train", "Joe", 83.456, [(1.234, "I packed my bag"), (61.5, "And left")])
    assert written == (
        "[ti:Midnight Train]\n[ar:Joe]\n[length:01:23.45]\n"
        "[00:01.23]I packed my bag\n[01:01.50]And left\n"
    )


@pytest.mark.parametrize("start", [-1.0, 10.0, 1e300, math.inf, -math.inf, math.nan, 9.999])
def test_no_time_lies_outside_the_song(start: float) -> None:
    (time,) = times(lrc("", "", 9.996, [(start, "a line")]))
    assert 0 <= time <= 9.996


def test_no_line_comes_before_the_one_above_it() -> None:
    assert times(lrc("", "", 60, [(5, "one"), (3, "two"), (7, "three")])) == [5, 5, 7]


@pytest.mark.parametrize("text", ["[00:01.00] a time", "[ti:x]", "a\n[00:00.00]b", "<00:01.00>c"])
def test_a_text_is_never_read_as_a_time_or_a_tag(text: str) -> None:
    rows = lrc(text, text, 10, [(1, text)]).splitlines()
    assert len(rows) == 4
    assert all(row.count("[") == row.count("]") == 1 for row in rows)
    assert not any("<" in row for row in rows)


def test_any_script_and_an_empty_line_stay() -> None:
    assert times(lrc("中", "", 10, [(1, "ñandú 😀"), (2, "")])) == [1, 2]


def test_a_song_without_lines_has_tags_alone() -> None:
    assert lrc("a", "b", 0, []) == "[ti:a]\n[ar:b]\n[length:00:00.00]\n"


def test_an_hour_and_more_is_counted_in_minutes() -> None:
    assert lrc("", "", 6000, []).endswith("[length:100:00.00]\n")
