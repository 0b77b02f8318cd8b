"""The first step of the page `song`: what song it shall be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from services.studio import microphone
from services.studio.languages import language_name
from services.studio.markup import text
from services.studio.songview import called
from services.studio.songwish import LENGTHS, MOODS
from services.studio.texts import Texts, sentences

#: Characters that the gateway takes in a field.
_MOST = 200
#: Pixels that a field needs; on a phone it has a row to itself.
_WIDTH = 280

Genres = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Form:
    """The fields, and the recording that a song may take its mood from."""

    genre: gr.Radio
    title: gr.Textbox
    artist: gr.Textbox
    first_line: gr.Textbox
    mood: gr.Dropdown
    language: gr.Dropdown
    language_note: gr.Markdown
    length: gr.Radio
    instrumental: gr.Checkbox
    voice: gr.Audio
    from_voice: gr.Button

    @property
    def fields(self) -> list[Any]:
        """The fields in the order of `songwish.wish_of`."""
        return [
            self.genre, self.title, self.artist, self.first_line,
            self.mood, self.language, self.length, self.instrumental,
        ]  # fmt: skip


def laid_out(t: Texts) -> Form:
    """Lays the form out."""
    genre = gr.Radio([], label=t("song.genre"), elem_id="song-genre", interactive=True)
    with gr.Row():
        title, artist = _line(t, "title"), _line(t, "artist")
    first_line = _line(t, "first_line")
    with gr.Row():
        length = gr.Radio(
            [(t(f"song.length_{each}"), each) for each in LENGTHS],
            value="medium",
            label=t("song.length"),
            min_width=_WIDTH,
        )
        moods = [(t("song.mood_any"), "")] + [(t(f"feelings.{each}"), each) for each in MOODS]
        mood = gr.Dropdown(
            moods, value="", label=t("song.mood"), filterable=False, min_width=_WIDTH
        )
        # Shown where a genre's lyrics come in more than one language.
        language = gr.Dropdown([], label=t("song.language"), visible=False, filterable=False)
    language_note = gr.Markdown()
    instrumental = gr.Checkbox(label=t("song.instrumental"))
    with gr.Accordion(t("song.from_voice"), open=False, elem_id="song-voice"):
        gr.Markdown(t("song.from_voice_about"))
        voice = gr.Audio(
            sources=["microphone", "upload"],
            type="filepath",
            label=t("song.voice"),
            buttons=[],
            elem_id="song-recording",
        )
        microphone.note(t)
        from_voice = gr.Button(t("song.voice_make"))
    return Form(
        genre, title, artist, first_line, mood, language, language_note, length, instrumental,
        voice, from_voice,
    )  # fmt: skip


def genre_cards(genres: Genres, t: Texts) -> gr.Radio:
    """The genres as cards, the first chosen: a name, and beneath it what it is like."""
    cards = []
    for each in genres:
        key = f"song.genre_{each}_about"
        about = f"\n{t(key)}" if key in sentences() else ""
        cards.append((f"{called(each, t)}{about}", each))
    return gr.Radio(choices=cards, value=next(iter(genres), None))


def language_choice(genre: str | None, genres: Genres, t: Texts) -> gr.Dropdown:
    """The languages of a genre, the page's own first; none to choose where there is one."""
    codes = sorted(genres.get(genre or "", ()), key=lambda code: code != t.language)
    if len(codes) < 2:
        return gr.Dropdown(choices=[], value=None, visible=False)
    choices = [(language_name(code, t), code) for code in codes]
    return gr.Dropdown(choices=choices, value=codes[0], visible=True)


def language_note(genre: str | None, genres: Genres, t: Texts) -> str:
    """Says so where a genre is not written in the page's language."""
    codes = genres.get(genre or "", ())
    if not codes or t.language in codes:
        return ""
    names = ", ".join(text(language_name(code, t)) for code in codes)
    return t("song.written_in", languages=names)


def _line(t: Texts, name: str) -> gr.Textbox:
    return gr.Textbox(
        label=t(f"song.{name}"),
        placeholder=t(f"song.{name}_hint"),
        max_lines=1,
        max_length=_MOST,
        min_width=_WIDTH,
        elem_id=f"song-{name.replace('_', '-')}",
    )
