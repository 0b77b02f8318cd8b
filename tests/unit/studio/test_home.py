"""What the examples of the first page choose."""

from typing import Any

import gradio as gr
import pytest

from orfeon import Model, Voice
from services.studio.pages.home_examples import SAMPLE, genre_for, language_of, verse, voice_for
from services.studio.shell import FOLDER
from services.studio.texts import Texts

EN, ES = Texts("en"), Texts("es")


def genre(name: str, *languages: str, **facts: Any) -> Model:
    known: dict[str, Any] = {
        "created": 0, "owned_by": "", "capability": "lyrics", "tasks": ("lyrics",), "aliases": (),
        "default": False, "state": "loaded", "resident_bytes": 0, "context_length": None,
        "voices": (), "labels": (), "licence": "",
    }  # fmt: skip
    return Model(id=name, languages=languages, **{**known, **facts})


def test_a_genre_of_the_pages_language_goes_first_then_the_default() -> None:
    genres = [genre("rap", "en"), genre("pop", "en", default=True), genre("copla", "es", "en")]
    assert genre_for(genres, ES) == "copla"
    assert genre_for(genres, EN) == "pop"
    assert genre_for(genres[:2], ES) == "pop"


def test_a_voice_of_the_pages_language_goes_first() -> None:
    voices = [Voice("joe", "piper", "en-US"), Voice("ana", "piper", "es-ES")]
    assert voice_for(voices, ES).id == "ana"
    assert voice_for(voices, EN).id == "joe"
    assert voice_for(voices[:1], ES).id == "joe"


def test_a_sentence_is_in_a_language_that_its_voice_speaks() -> None:
    assert language_of(Voice("ana", "piper", "es-MX")) == "es"
    assert language_of(Voice("pierre", "piper", "fr-FR")) == "en"
    assert language_of(Voice("x", "bark", "")) == "en"


def test_a_server_without_voices_or_genres_says_so() -> None:
    with pytest.raises(gr.Error, match="no voice"):
        voice_for([], EN)
    with pytest.raises(gr.Error, match="ningún género"):
        genre_for([genre("x", tasks=("text",))], ES)


def test_lines_of_a_song_are_text() -> None:
    assert verse(["<b>one</b>", "two"]) == (
        '<p class="verse">&#60;b&#62;one&#60;&#47;b&#62;<br>two</p>'
    )


def test_the_clip_is_small() -> None:
    assert 10_000 < (FOLDER / SAMPLE).stat().st_size < 60_000
