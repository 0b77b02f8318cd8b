"""Figures of songs, the report of them, and words that a song has had enough of."""

import math
from pathlib import Path

import pytest

from services.lyrics import report
from services.lyrics.genre import Genre
from services.lyrics.measures import Song, distinct, figures, is_valid, pairs, repetition
from services.lyrics.overuse import bias
from services.lyrics.song import Line, Wish
from services.runtime.llama.fake_engine import FakeLanguageModel
from services.runtime.sections import Kind

GENRE = Genre(prompt="x")
WISH = Wish(("verse", "chorus", "verse", "chorus"), 2, "en", first_line="I drove all night")


def song(*texts: str, wish: Wish = WISH) -> Song:
    """A song of these lines, which have two tokens each."""
    places: list[tuple[int, Kind]] = [
        (at, kind) for at, kind in enumerate(wish.sections) for _ in range(wish.lines)
    ]
    logprobs = (-math.log(2), -math.log(8))
    lines = [
        Line(at, kind, text, 4, logprobs) for (at, kind), text in zip(places, texts, strict=False)
    ]
    return Song("rock", 0, wish, tuple(lines))


GOOD = song(
    "I drove all night", "Under neon light", "Hold on tight", "Hold me now",
    "I walked all day", "Under city gray", "Hold on tight", "Hold me now",
)  # fmt: skip


def test_a_song_is_valid_with_all_its_lines_and_without_loops() -> None:
    assert is_valid(GOOD)
    assert not is_valid(Song("rock", 0, WISH, GOOD.lines[:-1]))
    assert not is_valid(song(*["same"] * 8))
    assert not is_valid(song("...", *[line.text for line in GOOD.lines[1:]]))


def test_a_chorus_that_returns_is_no_repetition() -> None:
    assert repetition(GOOD) == 0
    assert repetition(song("a", "b", "c", "A!", "d", "e", "c", "a")) == pytest.approx(1 / 6)


def test_variety_counts_different_runs_of_words() -> None:
    wish = Wish(("verse",), 2, "en")
    assert distinct(song("a b c", "a b d", wish=wish), 1) == pytest.approx(4 / 6)
    assert distinct(song("a b c", "a b d", wish=wish), 2) == pytest.approx(3 / 4)


def test_pairs_that_should_rhyme() -> None:
    assert pairs(GOOD, GENRE)[0] == ("I drove all night", "Under neon light")
    assert len(pairs(GOOD, GENRE)) == 3
    assert pairs(GOOD, Genre(prompt="x", rhyme="none")) == []
    four = song("a", "b", "c", "d", wish=Wish(("verse",), 4, "en"))
    assert pairs(four, Genre(prompt="x", rhyme="abab")) == [("a", "c"), ("b", "d")]


def test_the_figures_of_a_genre() -> None:
    found = figures("rock", [GOOD, GOOD], GENRE)
    assert (found.songs, found.valid, found.first_line, found.loop) == (2, 1, 1, 1)
    assert found.rhyme == pytest.approx(2 / 3)
    assert found.perplexity == pytest.approx(4)
    assert math.isnan(
        figures("rock", [song("a", wish=Wish(("verse",), 1, "en"))], GENRE).first_line
    )


def test_the_report_fills_its_blocks_and_leaves_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "lyrics.md"
    page.write_text(
        "Before\n<!-- begin figures -->\nold\n<!-- end -->\nBetween\n"
        "<!-- begin samples -->\n<!-- end -->\nAfter\n"
    )
    report.write(tmp_path, [figures("rock", [GOOD], GENRE)], [[GOOD]])
    text = page.read_text()
    assert text.startswith("Before\n<!-- begin figures -->\n| genre | rock |\n|---|---|\n")
    assert "| valid | 100% |" in text
    assert "[Verse]\nI drove all night\nUnder neon light\n\n[Chorus]" in text
    assert "\nold\n" not in text
    assert text.endswith("After\n")
    assert {path.name for path in (tmp_path / "lyrics").iterdir()} == {"variety.png", "lines.png"}


def test_words_said_more_than_once_become_less_likely() -> None:
    model = FakeLanguageModel(0)
    found = dict(bias(model, ["Night after night", "in the night", "one more Night", "after all"]))
    (night,), (after,) = model.text("night").tokens, model.text("after").tokens
    assert found[night] < found[after] < 0
    assert len(found) == 4  # Each with and without a capital.
    assert bias(model, ["the the the", "the end"]) == ()
    assert min(dict(bias(model, ["night"] * 99)).values()) == -6
