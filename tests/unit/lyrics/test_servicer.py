import math
from typing import Any

import pytest

from orfeon.api.lyrics.v1 import lyrics_pb2 as pb
from services.lyrics.genre import Genre
from services.lyrics.servicer import wish_of
from services.lyrics.song import MOODS, Wish
from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest

GENRE = Genre(prompt="You write.", lines=3)
ROCK = Manifest(
    name="rock", capability="lyrics", base="b", tasks=["lyrics"], owned_by="us", licence="MIT",
    languages=["en", "es-MX"],
)  # fmt: skip


def wish(**fields: Any) -> Wish:
    return wish_of(pb.WriteLyricsRequest(**fields), ROCK, GENRE)


def test_what_is_left_out_is_the_genres_choice() -> None:
    assert wish() == Wish(GENRE.sections, 3, "en")


def test_texts_lose_the_space_around_them_but_the_first_line_does_not() -> None:
    asked = wish(title="  Home ", theme="   ", first_line=" Here we go ", mood="sad", language="es")
    assert (asked.title, asked.theme, asked.first_line) == ("Home", "", " Here we go ")
    assert (asked.mood, asked.language) == ("sad", "es-MX")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("title", "a" * 201, "200 characters, and has 201"),
        ("first_line", "a" * 10_000, "200 characters"),
        ("first_line", "one\ntwo", "line breaks"),
        ("first_line", " \t ", "control characters"),
        ("first_line", "   ", "no words"),
        ("theme", "rain\x00", "control characters"),
        ("style", "\u2028", "line breaks"),
        ("mood", "hangry", ", ".join(MOODS)),
        ("language", "xx", "en or es-MX"),
        ("lines", -1, "between 1 and 16"),
        ("lines", 17, "between 1 and 16"),
        ("sections", [pb.SECTION_KIND_VERSE] * 1000, "At most 16"),
        ("sections", [pb.SECTION_KIND_UNSPECIFIED], "intro, verse"),
        ("sections", [77], "intro, verse"),
        ("temperature", math.nan, "between 0.0 and 2.0"),
        ("temperature", -0.1, "between 0.0 and 2.0"),
        ("top_p", 1.5, "between 0.0 and 1.0"),
        ("top_k", -1, "between 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(field: str, value: Any, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as refused:
        wish(**{field: value})
    assert refused.value.param == field
