"""What returns, what genres say, and what the model reads."""

from typing import Any

import pytest

from services.lyrics.choice import Place, best, is_new
from services.lyrics.genre import Genre, genre_of
from services.lyrics.prompt import continued, opening, order, sheet
from services.lyrics.song import Line, Wish, returning
from services.runtime.errors import ModelLoadFailed
from services.runtime.llama.fake_engine import FakeLanguageModel
from services.runtime.manifest import Manifest
from services.runtime.sections import Kind

GENRE = Genre(prompt="You write.")
WISH = Wish(("verse", "chorus"), 2, "en", title="Home", theme="rain", mood="sad", style="Cash")
LINES = [Line(0, "verse", "I drove all night", 4), Line(0, "verse", "Under neon light", 5)]


def test_a_chorus_returns_unless_it_follows_a_chorus() -> None:
    assert returning(("verse", "chorus", "verse", "chorus", "chorus")) == {3: 1}
    assert returning(("chorus",) * 3) == {}
    assert returning(("verse", "bridge")) == {}


def manifest(**options: Any) -> Manifest:
    return Manifest(
        name="x", capability="lyrics", base="b", tasks=["lyrics"], owned_by="us", licence="MIT",
        options=options,
    )  # fmt: skip


def test_a_genre_is_read_from_the_options() -> None:
    genre = genre_of(manifest(prompt="Sing!", sampling={"temperature": 0.5}))
    sampling = genre.sampling.sampling(7, top_k=3)
    assert (sampling.temperature, sampling.top_k, sampling.seed) == (0.5, 3, 7)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "options.prompt"),
        ({"prompt": "x", "speed": 1}, "options.speed"),
        ({"prompt": "x", "sections": ["solo"]}, "options.sections.0"),
        ({"prompt": "x", "sampling": {"temperature": -1}}, "options.sampling.temperature"),
    ],
)
def test_a_mistake_in_a_genre_is_named(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ModelLoadFailed, match=field):
        genre_of(manifest(**options))


def test_the_order_says_what_is_asked_for_and_nothing_else() -> None:
    said = order(WISH)
    for part in ('called "Home"', 'about "rain"', 'style of "Cash"', "sad and tender"):
        assert part in said
    bare = order(Wish(("verse",), 2, "es"))
    assert '"' not in bare
    assert "code es" in bare


def test_the_sheet_ends_where_the_next_line_begins() -> None:
    sections: tuple[Kind, ...] = ("verse", "chorus", "verse")
    assert sheet(sections, [], "", 0) == "[Verse 1]\n"
    assert sheet(sections, LINES, "Home", 2) == (
        "Home\n\n[Verse 1]\nI drove all night\nUnder neon light\n\n[Verse 2]\n"
    )
    assert sheet(sections, LINES[:1], "", 0) == "[Verse 1]\nI drove all night\n"


def test_a_prompt_goes_on_with_the_song() -> None:
    model = FakeLanguageModel(0)
    start = opening(model, GENRE, WISH)
    more = continued(model, start, "I drove all night\n")
    assert more.tokens == start.tokens + model.text("I drove all night").tokens


def test_a_base_without_conversation_reads_plain_text() -> None:
    model = FakeLanguageModel(0)
    start = opening(model, Genre(prompt="You write.", template="text"), WISH)
    assert start == model.text(f"You write. {order(WISH)}")


def test_a_line_has_to_be_new() -> None:
    place = Place(GENRE, "en", LINES, 1, 0)
    assert is_new("I drove all day", place)
    for text in ("i drove all night!", "la la la la", "Chorus of the night", "..."):
        assert not is_new(text, place)


def test_the_best_line_rhymes_and_is_as_long_as_its_partner() -> None:
    place = Place(GENRE, "en", LINES[:1], 0, 1)
    rhyming, other, long = "In the morning light", "In the morning rain", "I drove " * 9 + "light"
    assert best([other, long, rhyming], place, str) == rhyming
    assert Place(GENRE, "en", LINES, 1, 0).partner() == ""
    alternating = Genre(prompt="x", rhyme="abab")
    third = [*LINES, Line(0, "verse", "Still here", 2)]
    assert Place(alternating, "en", LINES, 0, 2).partner() == LINES[0].text
    assert Place(alternating, "en", third, 0, 3).partner() == LINES[1].text
