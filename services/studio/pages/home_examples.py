"""What the three examples of the first page do."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from orfeon import Lyrics, Model, Voice
from services.studio.made import Made
from services.studio.markup import block, text
from services.studio.pages.emotion_answer import shown
from services.studio.pages.speak import Wish, player, spoken
from services.studio.shell import FOLDER
from services.studio.songwish import song_genres
from services.studio.studio import Studio
from services.studio.texts import LANGUAGES, Texts

SAMPLE = "sample.mp3"
_LINES = 4

#: What is said aloud, and what came of it.
Shown = tuple[Any, Any]


class Examples:
    """Each shows how it goes on, as the values of its sentence and of its result."""

    def __init__(self, studio: Studio, t: Texts) -> None:
        self._studio = studio
        self._t = t

    async def hear(self, request: gr.Request) -> AsyncIterator[Shown]:
        """Which emotion is in the clip that comes with us."""
        yield self._t("home.hear_wait"), ""
        try:
            async with self._studio.gateway.caller(request, self._t) as caller:
                answer = await caller.orfeon.classify(FOLDER / SAMPLE)
        except gr.Error:
            yield "", ""
            raise
        yield "", shown(answer, self._t)

    async def write(self, request: gr.Request) -> AsyncIterator[Shown]:
        """Four lines of a song, as they are written."""
        yield self._t("home.write_wait"), ""
        lines: list[str] = []
        try:
            async with self._studio.gateway.caller(request, self._t) as caller:
                genre = genre_for(await caller.orfeon.models(), self._t)
                wish = caller.orfeon.stream_lyrics(genre=genre, sections=["verse"], lines=_LINES)
                async with aclosing(wish) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Lyrics):
                            break
                        lines.append(piece.text)
                        yield gr.skip(), verse(lines)
        except gr.Error:
            yield "", gr.skip()
            raise
        yield self._t("home.write_done"), verse(lines)

    async def say(self, request: gr.Request) -> AsyncIterator[Shown]:
        """A sentence, spoken: in the language of the voice, whatever the page's is."""
        t = self._t
        yield t("home.say_wait"), ""
        made = Made("orfeon.mp3")
        try:
            async with self._studio.gateway.caller(request, t) as caller:
                voice = voice_for(await caller.orfeon.voices(), t)
                words = Texts(language_of(voice))("home.say_words")
                wish = Wish(words, voice.model, voice.id, 1.0, "mp3")
                await spoken(caller, wish, made)
        except gr.Error:
            yield "", ""
            raise
        finally:
            if not made.whole:
                made.discard()
        said = f'<p lang="{language_of(voice)}">“{text(words)}”</p>'
        yield t("home.say_done"), player(made, wish, t) + said


def genre_for(models: Sequence[Model], t: Texts) -> str:
    """A genre in the language of the page if there is one. Raises `gr.Error` where there is none.

    The gateway's default goes before others.
    """
    genres = song_genres(models, [])
    first = next(iter(genres), None)
    if first is None:
        raise gr.Error(t("home.no_genre"), print_exception=False)
    return next((name for name, spoken in genres.items() if t.language in spoken), first)


def voice_for(voices: Sequence[Voice], t: Texts) -> Voice:
    """A voice in the language of the page, else any. Raises `gr.Error` where there is none."""
    if not voices:
        raise gr.Error(t("home.no_voice"), print_exception=False)
    return next((each for each in voices if language_of(each) == t.language), voices[0])


def language_of(voice: Voice) -> str:
    """The language of ours that a voice speaks best."""
    language = voice.language.partition("-")[0].lower()
    return language if language in LANGUAGES else LANGUAGES[0]


def verse(lines: Sequence[str]) -> str:
    """Lines of a song, one below another."""
    return block(f'<p class="verse">{"<br>".join(text(line) for line in lines)}</p>')
