"""The page `song`: a wish, its lyrics, its music.

Up to the lyrics it is Gradio's. How a song goes on and what came of it is shown by
`static/song.js`, which asks `services/studio/songs.py`: a song may take longer than a connection
lasts.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from html import escape
from typing import Any

import gradio as gr

from orfeon import AsyncOrfeon, Lyrics, MelodyGenre, PermissionDeniedError, WrittenSection
from services.studio.markup import block, text
from services.studio.pages.opening import opening
from services.studio.pages.song_form import (
    Genres,
    genre_cards,
    laid_out,
    language_choice,
    language_note,
)
from services.studio.songwish import song_genres, wish_of
from services.studio.studio import Studio
from services.studio.texts import Texts
from services.studio.uploads import consumed, discard
from services.studio.verses import fault, parsed, written

#: What every event has: no name for programs, and as many at once as there are people.
_EVENT: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None}


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks."""
    page = _Page(studio, t)
    genres = gr.State({})
    # A recording that was not worked on yet.
    waiting = gr.State(None, delete_callback=discard)
    gr.Markdown(f"# {t('shell.song')}\n\n{t('song.intro')}\n\n## {t('song.step_wish')}")
    form = laid_out(t)
    gr.Markdown(f"## {t('song.step_lyrics')}")
    with gr.Row():
        write = gr.Button(t("song.write"), variant="primary")
        stop = gr.Button(t("song.stop"), variant="stop", visible=False)
    # What changes in it is said aloud.
    says = _html("song-says", classes="live")
    lyrics = gr.Textbox(
        label=t("song.lyrics"),
        info=t("song.lyrics_about"),
        lines=10,
        max_lines=30,
        elem_id="song-lyrics",
    )
    with gr.Row():
        again = gr.Button(t("song.again"))
        new = gr.Button(t("song.new"))
        go_on = gr.Button(t("song.continue"), variant="primary")
    gr.Markdown(f"## {t('song.step_music')}")
    made = _html("song-made")
    _html("song-stage", _stage(t))

    gr.on(None, page.opened, None, [form.genre, genres], show_progress="hidden", **_EVENT)
    form.genre.change(
        page.languages,
        [form.genre, genres],
        [form.language, form.language_note],
        show_progress="hidden",
        **_EVENT,
    )
    buttons = [write, stop]
    writing = gr.on(
        [write.click, again.click],
        page.write,
        form.fields,
        [lyrics, says, *buttons],
        show_progress="hidden",
        trigger_mode="once",
        **_EVENT,
    )
    # Also after a failure.
    writing.then(page.at_rest, None, buttons, show_progress="hidden", **_EVENT)
    stop.click(page.stopped, None, [says, *buttons], cancels=[writing], **_EVENT)
    new.click(
        page.cleared,
        None,
        [form.title, form.artist, form.first_line, lyrics, says, *buttons],
        cancels=[writing],
        show_progress="hidden",
        **_EVENT,
    )
    go_on.click(page.make, [*form.fields, lyrics], made, show_progress="hidden", **_EVENT)
    form.from_voice.click(
        page.make_from_voice,
        [*form.fields, form.voice],
        [made, form.voice, waiting],
        show_progress="hidden",
        **_EVENT,
    )
    form.voice.change(
        page.replaced, [form.voice, waiting], waiting, show_progress="hidden", **_EVENT
    )


class _Page:
    """What happens in the page."""

    def __init__(self, studio: Studio, t: Texts) -> None:
        self._studio = studio
        self._t = t

    async def opened(self, request: gr.Request) -> tuple[gr.Radio, Genres]:
        """The genres there are."""
        async with opening(self._studio, request, self._t) as caller:
            models, played = await asyncio.gather(caller.orfeon.models(), _played(caller.orfeon))
        genres = song_genres(models, played)
        return genre_cards(genres, self._t), genres

    def languages(self, genre: str | None, genres: Genres) -> tuple[gr.Dropdown, str]:
        """The languages that the chosen genre is written in."""
        t = self._t
        return language_choice(genre, genres, t), language_note(genre, genres, t)

    async def write(self, request: gr.Request, *fields: Any) -> AsyncIterator[tuple[Any, ...]]:
        """Lyrics, as each line is written."""
        sections: list[WrittenSection] = []
        yield "", self._says("writing"), *self._buttons(writing=True)
        async with self._studio.gateway.caller(request, self._t) as caller:
            wish = wish_of(*fields).for_lyrics()
            async with aclosing(caller.orfeon.stream_lyrics(**wish)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Lyrics):
                        break
                    if piece.section == len(sections):
                        sections.append({"kind": piece.kind, "lines": []})
                    sections[-1]["lines"].append(piece.text)
                    yield written(sections, self._t), gr.skip(), gr.skip(), gr.skip()
        yield written(sections, self._t), self._says("written"), gr.skip(), gr.skip()

    def at_rest(self) -> list[gr.Button]:
        """Nothing is written now."""
        return self._buttons(writing=False)

    def stopped(self) -> tuple[Any, ...]:
        """Writing was stopped; what is there stays."""
        return "", *self._buttons(writing=False)

    def cleared(self) -> tuple[Any, ...]:
        """Another song."""
        return "", "", "", "", "", *self._buttons(writing=False)

    async def make(self, request: gr.Request, *fields: Any) -> str:
        """Has a song made of the lyrics, as they are by now."""
        *wish, lyrics = fields
        sections = parsed(lyrics or "")
        if problem := fault(sections, self._t):
            raise gr.Error(text(problem), print_exception=False)
        async with self._studio.gateway.caller(request, self._t) as caller:
            job = await caller.orfeon.songs.create(**wish_of(*wish).for_song(sections))
        return _made(job.id)

    async def make_from_voice(
        self, request: gr.Request, *fields: Any
    ) -> AsyncIterator[tuple[Any, ...]]:
        """Has a song made in the mood of a voice."""
        *wish, recording = fields
        with consumed(recording, self._t) as path:
            # Whatever becomes of it, it is not there afterwards.
            yield gr.skip(), None, None
            async with self._studio.gateway.caller(request, self._t) as caller:
                job = await caller.orfeon.songs.create(path, **wish_of(*wish).for_song())
        yield _made(job.id), gr.skip(), gr.skip()

    def replaced(self, recording: str | None, waiting: str | None) -> str | None:
        """Deletes what was recorded before and is not wanted any more."""
        if waiting != recording:
            discard(waiting)
        return recording

    def _says(self, key: str) -> str:
        return f"<p data-says>{self._t(f'song.{key}')}</p>"

    def _buttons(self, writing: bool) -> list[gr.Button]:
        return [gr.Button(visible=not writing), gr.Button(visible=writing)]


async def _played(orfeon: AsyncOrfeon) -> list[MelodyGenre]:
    """The genres of music; of none is known where the key may not ask."""
    try:
        return await orfeon.melody_genres()
    except PermissionDeniedError:
        return []


def _html(id: str, html: str = "", classes: str = "") -> gr.Markdown:
    return gr.Markdown(
        html, elem_id=id, elem_classes=classes, sanitize_html=False, latex_delimiters=[]
    )


def _made(job: str) -> str:
    """Tells `song.js` which song to show."""
    return f'<p data-made="{escape(job)}"></p>'


def _stage(t: Texts) -> str:
    """Where `song.js` shows a song, and those made before."""
    return block(f"""
        <section class="stage" aria-labelledby="song-making" data-stage
            data-lost="{t("song.lost")}" data-reload="{t("song.reload")}">
        <h3 id="song-making" tabindex="-1">{t("song.making")}</h3>
        <p class="says" role="status" data-state></p><p class="notice" role="alert"></p>
        <div class="card"><p>{t("song.nothing_yet")}</p></div>
        <p><button class="cancel" type="button" hidden>{t("song.cancel")}</button></p>
        </section>
        <section aria-labelledby="song-history"><h2 id="song-history">{t("song.history")}</h2>
        <div class="history"></div></section>""")
