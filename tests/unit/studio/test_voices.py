import pytest

from orfeon import Voice
from services.studio.texts import Texts
from services.studio.voices import value_of, voice_choices, voice_models, voice_of

JOE = Voice("joe", "piper-joe", "en-US")
ANA = Voice("ana", "piper-ana", "es-ES")
BEA = Voice("bea", "piper-bea", "es-MX")
ODD = Voice("odd", "bark", "")
ANA_TOO = Voice("ana", "bark", "de")
ALL = [ODD, JOE, BEA, ANA_TOO, ANA]


def test_voices_of_the_pages_language_come_first() -> None:
    spanish = [voice_of(value)[1] for _, value in voice_choices(ALL, None, Texts("es"))]
    english = [voice_of(value)[1] for _, value in voice_choices(ALL, "", Texts("en"))]
    assert spanish[:2] == ["ana", "bea"]
    assert english[0] == "joe"
    assert len(spanish) == len(english) == len(ALL)


def test_voices_are_called_by_name_and_language_and_by_their_model_where_that_is_not_enough() -> (
    None
):
    names = [name for name, _ in voice_choices(ALL, None, Texts("en"))]
    assert names == [
        "joe · English (US)",
        "odd",
        "ana · German · bark",
        "ana · Spanish (ES) · piper-ana",
        "bea · Spanish (MX)",
    ]


def test_voices_can_be_those_of_one_model() -> None:
    assert voice_models(ALL) == ["bark", "piper-ana", "piper-bea", "piper-joe"]
    choices = voice_choices(ALL, "bark", Texts("en"))
    assert [voice_of(value) for _, value in choices] == [("bark", "odd"), ("bark", "ana")]
    assert voice_choices(ALL, "gone", Texts("en")) == []


@pytest.mark.parametrize(
    "word", ["", "null", "joe", "[1, 2]", '["a"]', '{"a": 1}', '["a", "b", 1]']
)
def test_a_word_that_is_no_voice_is_refused(word: str) -> None:
    assert voice_of(value_of(JOE)) == ("piper-joe", "joe")
    with pytest.raises(ValueError, match=r"no voice|Expecting value"):
        voice_of(word)
