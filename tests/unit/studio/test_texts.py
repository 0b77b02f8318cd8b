"""What pages say, in each language."""

import string

import pytest

from services.studio.texts import LANGUAGES, Texts, preferred, sentences


def places(sentence: str) -> set[str]:
    """What a sentence has filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_every_sentence_is_there_in_every_language_with_the_same_values() -> None:
    for key, found in sentences().items():
        assert set(found) == set(LANGUAGES), key
        for sentence in found.values():
            assert isinstance(sentence, str), key
            assert sentence.strip() == sentence, key
            assert sentence, key
        assert len({frozenset(places(sentence)) for sentence in found.values()}) == 1, key


def test_values_are_filled_in() -> None:
    assert Texts("en")("errors.retry_seconds", seconds=5) == "Try again in 5 s."
    assert Texts("es")("shell.signed_in_as", name="{x}") == "Dentro como {x}"


def test_a_key_of_no_sentence_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Texts("en")("errors.nothing_of_the_kind")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en-GB,en;q=0.9,es;q=0.8", "en"),
        ("fr,es;q=0.5", "es"),
        ("en;q=0.1, es;q=0.9", "es"),
        ("ES", "es"),
        ("fr-FR,de", "en"),
        ("es;q=0", "en"),
        ("es;q=lots,en", "en"),
        ("", "en"),
        ("*", "en"),
        (";;;,,,q=1", "en"),
        ("es;q=nan", "es"),
    ],
)
def test_a_browser_gets_the_language_that_it_wants_most(header: str, language: str) -> None:
    assert preferred(header) == language
