"""Lyrics with times."""

from services.song.lrc import lrc
from services.studio.karaoke import timed_lines


def test_what_songs_bring_is_read() -> None:
    lines = [(4.6, "Two cups"), (62.5, "<b> [there]")]
    assert timed_lines(lrc("A [title]", "Ana", 70, lines)) == [
        (4.6, "Two cups"),
        (62.5, "‹b› (there)"),
    ]


def test_what_is_no_line_with_a_time_is_left_out() -> None:
    assert timed_lines("[ti:A]\n\nwords\n[1:2]\n [01:02.5]  here \r\n[99:99999]no") == [
        (62.0, ""),
        (62.5, "here"),
    ]
