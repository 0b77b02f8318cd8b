"""Genres as cards, and the languages of each."""

import pytest

from services.studio.pages.song_form import genre_cards, language_choice, language_note
from services.studio.texts import LANGUAGES, Texts

EN, ES = Texts("en"), Texts("es")
GENRES = {"pop": ("en",), "ballad": ("en", "es"), "polka-punk": ()}


def test_a_card_has_a_name_and_what_it_is_like_the_first_is_chosen() -> None:
    cards = genre_cards(GENRES, EN)
    assert cards.choices == [
        ("Pop\nbright and catchy", "pop"),
        ("Ballad\nslow and heartfelt", "ballad"),
        ("Polka punk", "polka-punk"),
    ]
    assert cards.value == "pop"
    assert genre_cards(GENRES, ES).choices[1][0] == "Balada\nlenta y sentida"


@pytest.mark.parametrize("t", [Texts(language) for language in LANGUAGES])
def test_without_genres_none_is_chosen(t: Texts) -> None:
    assert genre_cards({}, t).value is None


def test_a_language_is_asked_for_where_there_are_several_the_pages_own_first() -> None:
    assert language_choice("ballad", GENRES, ES).choices == [("español", "es"), ("inglés", "en")]
    assert language_choice("ballad", GENRES, ES).value == "es"
    assert language_choice("ballad", GENRES, EN).value == "en"


@pytest.mark.parametrize("genre", ["pop", "polka-punk", "jazz", None])
def test_no_language_is_asked_for_where_there_is_nothing_to_choose(genre: str | None) -> None:
    choice = language_choice(genre, GENRES, EN)
    assert not choice.visible
    assert choice.value is None


def test_a_genre_in_another_language_than_the_pages_says_so() -> None:
    assert "se escriben en inglés." in language_note("pop", GENRES, ES)
    for genre in ("ballad", "polka-punk", None):
        assert language_note(genre, GENRES, ES) == ""
    assert language_note("pop", GENRES, EN) == ""
