from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keywords import fold, spot


@dataclass(frozen=True)
class Said:
    word: str
    start: float
    end: float
    probability: float = 1.0


def said(text: str) -> list[Said]:
    return [Said(f" {word}", n, n + 0.5) for n, word in enumerate(text.split())]


def found(text: str, keyword: str, threshold: float = 0.8) -> list[str]:
    return [one.text for one in spot(keyword, said(text), threshold)]


@pytest.mark.parametrize(
    ("text", "keyword", "heard"),
    [
        ("Please call the ambulance, now!", "ambulance", ["ambulance,"]),
        ("AMBULANCE ambulance", "Ambulance", ["AMBULANCE", "ambulance"]),
        ("¿Dónde está la estación?", "estacion", ["estación?"]),
        ("the straße", "STRASSE", ["straße"]),
        ("some ice cream here", "icecream", ["ice cream"]),
        ("some ice-cream here", "ice cream", ["ice-cream"]),
        ("we met in New York City.", "new york", ["New York"]),
        ("fire in the fireplace", "fire", ["fire"]),
        ("the cat concatenates", "cat", ["cat"]),
        ("an ambulence came", "ambulance", ["ambulence"]),
        ("a cut and a cot", "cat", []),
        ("nothing of the kind", "ambulance", []),
        ("我 想 喝 咖 啡 。", "咖啡", ["咖 啡"]),
    ],
)
def test_words_are_found_however_they_are_written(
    text: str, keyword: str, heard: list[str]
) -> None:
    assert found(text, keyword) == heard


def test_a_place_has_its_words_and_the_least_certain_of_them() -> None:
    words = [Said("New", 1.0, 1.2, 0.9), Said(" York", 1.2, 1.5, 0.4), Said(" yes", 2.0, 2.2)]
    [city] = spot("new york", words, 0.8)
    assert (city.keyword, city.start, city.end, city.probability) == ("new york", 1.0, 1.5, 0.4)
    assert city.similarity == 1.0


def test_of_places_that_overlap_the_most_similar_counts() -> None:
    [match] = spot("ambulance", said("an ambulance s"), 0.7)
    assert match.text == "ambulance"


def test_how_similar_is_for_the_asker_to_say() -> None:
    assert found("an ambulence came", "ambulance", threshold=1.0) == []
    assert found("a cut", "cat", threshold=0.6) == ["cut"]


def test_exactly_as_similar_as_was_asked_for_is_similar_enough() -> None:
    assert found("Hello there", "hallo", threshold=0.8) == ["Hello"]


@pytest.mark.parametrize("keyword", ["...", "", " "])
def test_what_has_no_letter_is_found_nowhere(keyword: str) -> None:
    assert found("so ... what ?", keyword) == []


def test_an_hour_of_one_letter_words_is_searched_for_a_long_keyword() -> None:
    # Which took an hour when each pair of letters was compared in Python.
    assert len(spot("a" * 100, said("a " * 10_000), 0.5)) == 100


@given(st.lists(st.text(max_size=8), max_size=12), st.text(max_size=10), st.floats(0, 1))
def test_places_are_in_order_similar_enough_and_apart(
    words: list[str], keyword: str, threshold: float
) -> None:
    speech = [Said(word, n, n + 0.5) for n, word in enumerate(words)]
    matches = spot(keyword, speech, threshold)
    assert all(match.similarity >= threshold for match in matches)
    assert all(a.end <= b.start for a, b in pairwise(matches))
    if fold(keyword) and keyword in words:
        assert any(match.similarity == 1 for match in matches)
