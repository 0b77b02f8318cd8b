import pytest

from gateway.languages import ENGLISH_NAMES
from services.studio.languages import language_choices, language_name, name_from_english
from services.studio.texts import LANGUAGES, Texts

EN, ES = Texts("en"), Texts("es")


@pytest.mark.parametrize(
    ("tag", "english", "spanish"),
    [
        ("en", "English", "inglés"),
        ("en-US", "English (US)", "inglés (US)"),
        ("ES-mx", "Spanish (mx)", "español (mx)"),
        ("no", "Norwegian", "noruego"),
        ("tlh", "tlh", "tlh"),
        ("", "", ""),
    ],
)
def test_languages_have_names_in_the_language_of_the_page(
    tag: str, english: str, spanish: str
) -> None:
    assert (language_name(tag, EN), language_name(tag, ES)) == (english, spanish)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_that_the_gateway_knows_can_be_chosen(language: str) -> None:
    choices = language_choices(Texts(language))
    # Whisper has an old code for Javanese beside the one of today.
    assert {code for _, code in choices} == set(ENGLISH_NAMES) - {"jw"}
    assert choices[0][1] == language
    assert len({name for name, _ in choices}) == len(choices)


def test_every_language_that_the_gateway_tells_has_a_name() -> None:
    for code, english in ENGLISH_NAMES.items():
        known = "jv" if code == "jw" else code
        assert name_from_english(english, ES) == language_name(known, ES)
    assert name_from_english("klingon", ES) == "klingon"
