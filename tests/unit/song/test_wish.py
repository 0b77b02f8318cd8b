"""What is asked for: what is refused by name, and what survives being kept."""

import math
from typing import Any

import pytest

from orfeon.api.song.v1 import song_pb2 as pb
from services.runtime.errors import InvalidRequest
from services.runtime.sections import KINDS
from services.song.length import check_length
from services.song.steps.write import SECONDS_PER_LINE, form_of
from services.song.wish import Section, Wish, wish_of


def verse(*lines: str) -> pb.WrittenSection:
    return pb.WrittenSection(kind="verse", lines=lines)


@pytest.mark.parametrize(
    ("config", "param"),
    [
        ({"title": "x" * 201}, "title"),
        ({"title": "one\ntwo"}, "title"),
        ({"first_line": "   "}, "first_line"),
        ({"mood": "hangry"}, "mood"),
        ({"sections": ["solo"]}, "sections"),
        ({"sections": ["verse"] * 17}, "sections"),
        ({"lines": 17}, "lines"),
        ({"lines": -1}, "lines"),
        ({"duration_seconds": 0.0}, "duration"),
        ({"duration_seconds": 180.1}, "duration"),
        ({"duration_seconds": math.nan}, "duration"),
        ({"tempo": 39.0}, "tempo"),
        ({"tempo": math.nan}, "tempo"),
        ({"tempo": math.inf}, "tempo"),
        ({"key": "H major"}, "key"),
        ({"key": "C"}, "key"),
        ({"idempotency_key": "x" * 256}, "idempotency_key"),
        ({"lyrics": [pb.WrittenSection(kind="hook", lines=["One"])]}, "lyrics[0].kind"),
        ({"lyrics": [verse("One"), verse()]}, "lyrics[1].lines"),
        ({"lyrics": [verse("One")] * 17}, "lyrics"),
        ({"lyrics": [verse(*["One"] * 10_000)]}, "lyrics"),
        ({"lyrics": [verse("One", "🎸🎸")]}, "lyrics[0].lines[1]"),
        ({"lyrics": [verse("")]}, "lyrics[0].lines[0]"),
        ({"lyrics": [verse("a " * 41)]}, "lyrics[0].lines[0]"),
        ({"lyrics": [verse("x" * 201)]}, "lyrics[0].lines[0]"),
        ({"lyrics": [verse("one\ntwo")]}, "lyrics[0].lines[0]"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(config: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        wish_of(pb.SongConfig(**config))
    assert refused.value.param == param
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize("key", ["Cb major", "f# minor", " A minor\n"])
def test_a_key_is_read_as_melodies_read_it(key: str) -> None:
    assert wish_of(pb.SongConfig(key=key)).key == key.strip()


def test_nothing_at_all_is_a_wish() -> None:
    assert wish_of(pb.SongConfig()) == Wish()


def test_a_wish_is_the_same_after_it_was_kept() -> None:
    wish = wish_of(
        pb.SongConfig(
            genre="rock", title=" Home ", sections=["verse"], lines=2, duration_seconds=30,
            key="F# minor", lyrics=[verse("Oh 🎸", "my")], instrumental=True, tempo=90,
        )
    )  # fmt: skip
    assert wish.title == "Home"
    assert wish.lyrics == (Section("verse", ("Oh 🎸", "my")),)
    assert Wish.from_json(wish.to_json()) == wish


def test_without_a_length_the_form_is_the_genres_or_the_owners() -> None:
    assert form_of(Wish()).sections == ()
    asked = form_of(Wish(sections=("verse", "chorus"), lines=3))
    assert (asked.sections, asked.lines) == (("verse", "chorus"), 3)


@pytest.mark.parametrize("seconds", [10.0, 12.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0])
def test_a_form_fits_the_length_asked_for(seconds: float) -> None:
    form = form_of(Wish(seconds=seconds))
    count = len(form.sections) * form.lines
    assert count >= 1
    assert count * SECONDS_PER_LINE <= seconds
    assert set(form.sections) <= set(KINDS)


@pytest.mark.parametrize("seconds", [20.0, 30.0, 60.0, 180.0])
def test_a_slow_song_has_only_lines_that_its_bars_have_room_for(seconds: float) -> None:
    form = form_of(Wish(seconds=seconds, tempo=40.0))
    bars = 1 + 2 * len(form.sections) * form.lines
    assert bars * 6.0 + 2.0 <= seconds


def test_a_longer_song_has_no_fewer_lines() -> None:
    counts = [
        len(form.sections) * form.lines
        for form in (form_of(Wish(seconds=float(seconds))) for seconds in (10, 30, 60, 90, 120))
    ]
    assert counts == sorted(counts)
    assert counts[-1] == 24


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        (Wish(sections=("verse",) * 16, lines=16), "sections"),
        (Wish(lines=16), "sections"),
        (Wish(sections=("verse", "chorus") * 4, seconds=10.0), "duration"),
        (Wish(lyrics=(Section("verse", ("Oh",) * 16),), seconds=10.0), "duration"),
        (Wish(lyrics=(Section("verse", ("la " * 40,) * 20),) * 3), "lyrics"),
        (Wish(lyrics=(Section("verse", ("la " * 16,) * 16),), tempo=40.0), "lyrics"),
    ],
)
def test_more_lines_than_there_is_time_for_are_refused(wish: Wish, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_length(wish, 120.0)
    assert refused.value.param == param


def test_what_has_room_is_not_refused() -> None:
    for seconds in (None, 10.0, 45.0, 180.0):
        check_length(Wish(seconds=seconds), 80.0)
    check_length(Wish(sections=("verse", "chorus", "verse")), 80.0)
    with pytest.raises(InvalidRequest, match="at least"):
        check_length(Wish(seconds=10.0, tempo=40.0), 120.0)
    # A minute of rap.
    check_length(Wish(sections=("verse", "chorus", "verse"), seconds=60.0), 100.0)
    check_length(Wish(lyrics=(Section("verse", ("Oh my",) * 4),), seconds=12.0), 120.0)
