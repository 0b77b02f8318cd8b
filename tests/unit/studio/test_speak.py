import gradio as gr
import pytest
from annotated_types import MaxLen

from gateway.schemas.speech import SpeechRequest
from orfeon import Voice
from services.studio.pages.speak import MOST, Wish, wish_of
from services.studio.texts import Texts
from services.studio.voices import value_of

EN, ES = Texts("en"), Texts("es")
JOE = value_of(Voice("joe", "piper-joe", "en-US"))


def test_what_can_be_spoken_becomes_a_wish() -> None:
    assert wish_of(EN, "  Hello.\n", JOE, 1.5, "opus") == Wish(
        "Hello.", "piper-joe", "joe", 1.5, "opus"
    )
    assert len(wish_of(EN, "á" * MOST, JOE, 1, "mp3").words) == MOST


@pytest.mark.parametrize(
    ("words", "voice", "sentence"),
    [
        (None, JOE, "There is no text yet."),
        (" \n\t ", JOE, "There is no text yet."),
        ("x" * (MOST + 1), JOE, "This text has 4097 characters, and at most 4096"),
        ("Hello.", None, "There is no voice"),
        ("Hello.", "joe", "There is no voice"),
    ],
)
def test_what_cannot_is_said_in_a_sentence(
    words: str | None, voice: str | None, sentence: str
) -> None:
    with pytest.raises(gr.Error) as caught:
        wish_of(EN, words, voice, 1, "mp3")
    assert str(caught.value.message).startswith(sentence)
    with pytest.raises(gr.Error) as caught:
        wish_of(ES, words, voice, 1, "mp3")
    assert not str(caught.value.message).startswith(sentence)


def test_the_page_takes_as_much_as_the_gateway() -> None:
    limits = SpeechRequest.model_fields["input"].metadata
    assert [limit.max_length for limit in limits if isinstance(limit, MaxLen)] == [MOST]
