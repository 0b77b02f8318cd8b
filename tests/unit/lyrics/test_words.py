"""Syllables, rhyme and repetition."""

import pytest

from services.lyrics.repetition import goes_round, key, longest_run, overlap
from services.lyrics.rhyme import rhymes
from services.runtime.syllables import syllables


@pytest.mark.parametrize(
    ("line", "language", "count"),
    [
        ("I wandered lonely as a cloud", "en", 8),
        ("That floats on high o'er vales and hills", "en-GB", 8),
        ("Ain’t no mountain high enough", "en", 7),
        ("Something beautiful, something surely loved", "en", 10),
        ("The little people whispered in the castles", "en", 11),
        ("<b>Hello</b>", "en", 4),
        ("", "en", 0),
        ("... 123 !", "en", 0),
        ("Caminante, no hay camino", "es", 9),
        ("El día que me quieras", "es-AR", 7),
        ("pingüino, guitarra, leer, ciudad", "es", 10),
        ("любовь моя, мой край", "ru", 6),
        ("さくら", "ja", 3),
        ("L’été s’en va", "fr", 4),
    ],
)
def test_syllables_are_counted(line: str, language: str, count: int) -> None:
    assert syllables(line, language) == count


@pytest.mark.parametrize(
    ("one", "other", "so"),
    [
        ("We drove all night", "Under neon light,", True),
        ("burning like the fire", "my heart's desire", True),
        ("never look away", "live another day!", True),
        ("the road is long", "the night is cold", False),
        ("hold me in the night", "dancing in the night", False),
        ("", "night", False),
    ],
)
def test_rhyme_is_told_by_the_end_of_the_last_word(one: str, other: str, so: bool) -> None:
    assert rhymes(one, other) is rhymes(other, one) is so


def test_lines_are_equal_whatever_their_marks() -> None:
    assert key("I'm on fire, babe!") == key("i’m on Fire babe")
    assert longest_run(["a b", "A b.", "c", "a b"]) == 2
    assert longest_run([]) == 0


def test_a_line_goes_round_when_it_says_half_of_its_words_again() -> None:
    assert goes_round("la la la la")
    assert goes_round("on and on and")
    assert not goes_round("on and on we go")


def test_overlap_is_the_share_of_three_words_in_a_row() -> None:
    assert overlap("I hit the road again", ["and I hit the wall"]) == pytest.approx(1 / 3)
    assert overlap("two words", ["two words"]) == 0
    assert overlap("I hit the road", []) == 0
