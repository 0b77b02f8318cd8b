import io

import numpy as np
import pytest
from PIL import Image

from services.song.cover import PALETTES, SIDE, cover
from services.song.lettering import settled

GENRES = ("pop", "rock", "rap", "ballad", "jazz", "funk", "latin", "reggae", "country", "soul", "?")


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (SIDE, SIDE), "RGB")
        return np.asarray(picture, np.float64)


@pytest.mark.parametrize("genre", GENRES)
def test_every_genre_has_a_picture(genre: str) -> None:
    png = cover("Midnight Train", "Joe", genre, "happy", 7)
    assert pixels(png).std() > 10
    assert len(png) < 300_000


@pytest.mark.parametrize("mood", [*PALETTES, "", "nobody's"])
def test_every_mood_has_colours(mood: str) -> None:
    assert pixels(cover("Midnight Train", "Joe", "ballad", mood, 7)).std() > 10


def test_equal_songs_have_equal_covers() -> None:
    assert cover("A", "B", "pop", "sad", 1) == cover("A", "B", "pop", "sad", 1)


@pytest.mark.parametrize(
    "other",
    [
        ("Other", "B", "pop", "sad", 1),
        ("A", "Other", "pop", "sad", 1),
        ("A", "B", "rock", "sad", 1),
        ("A", "B", "pop", "happy", 1),
        ("A", "B", "pop", "sad", 2),
    ],
)
def test_every_fact_shows(other: tuple[str, str, str, str, int]) -> None:
    difference = np.abs(pixels(cover("A", "B", "pop", "sad", 1)) - pixels(cover(*other)))
    assert (difference > 20).any(axis=2).sum() > 100


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63)])
def test_any_seed_will_do(seed: int) -> None:
    assert pixels(cover("A", "B", "pop", "sad", seed)).std() > 10


@pytest.mark.parametrize(
    "title",
    ["", " \n\t", "中文の歌", "😀", "\x00", "\ud800", "é" * 5000, "word " * 2000, "ﷺ" * 300],
)
def test_any_title_will_do(title: str) -> None:
    assert pixels(cover(title, title, "pop", "sad", 1)).std() > 10


def test_words_are_set_as_large_as_they_fit() -> None:
    texts = ("Rain", "Rain on the roof " * 3)
    short, longer = (settled(text, 500, (70, 50, 30), 2) for text in texts)
    assert short is not None
    assert longer is not None
    assert short.size == 70
    assert longer.size < 70
    for line in longer.lines:
        assert longer.font.getlength(line) <= 500


@pytest.mark.parametrize("text", ["unbreakable" * 30, "so many words " * 40])
def test_what_does_not_fit_is_cut_off(text: str) -> None:
    block = settled(text, 400, (60, 40), 3)
    assert block is not None
    assert len(block.lines) <= 3
    assert block.lines[-1].endswith("…")
    assert all(block.font.getlength(line) <= 400 for line in block.lines)


def test_letters_lose_accents_that_the_font_has_not() -> None:
    block = settled("Canción ßø – 中😀", 500, (40,), 1)
    assert block is not None
    assert block.lines == ("Cancion sso -",)
