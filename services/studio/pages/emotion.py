"""The page `emotion`: what a voice tells, of a recording or while somebody speaks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from services.studio import microphone
from services.studio.markup import block, text
from services.studio.pages.emotion_hearing import LONG, Hearing, shown
from services.studio.studio import BASE, Studio
from services.studio.texts import Texts
from services.studio.uploads import consumed, discard
from services.studio.work import Work

#: Events tell nobody but this page, and none waits for another's.
_PRIVATE: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "concurrency_limit": None,
}
_MEBIBYTE = 2**20

Updates = dict[Any, Any]


@dataclass(slots=True)
class _Desk:
    """What one browser is at: its work, what is heard, and the path of the recording that waits."""

    work: Work = field(default_factory=Work)
    hearing: Hearing = field(default_factory=Hearing)
    waiting: str | None = None


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks."""
    gr.Markdown(f"# {t('shell.emotion')}")
    gr.Markdown(t("emotion.what"))
    _note(t)
    with gr.Tab(t("emotion.tab_recording")):
        _Recordings(studio, t)
    with gr.Tab(t("emotion.tab_live")):
        _live(t)


class _Recordings:
    """The part of the page that takes recordings."""

    def __init__(self, studio: Studio, t: Texts) -> None:
        self._studio = studio
        self._t = t
        most = studio.settings.max_upload_bytes
        limit = t("emotion.too_large", size=most // _MEBIBYTE)
        # The limit is for the browser, which would say it in English alone.
        gr.Markdown(
            block(f"<p data-most-bytes='{most}' data-too-large='{text(limit)}'>"
                  f"{t('emotion.how', size=most // _MEBIBYTE)}</p>"),
            sanitize_html=False, latex_delimiters=[],
        )  # fmt: skip
        self._recording = gr.Audio(
            label=t("emotion.recording"),
            sources=["microphone", "upload"],
            type="filepath",
            editable=False,
            buttons=["download"],
            elem_id="emotion-recording",
        )
        microphone.note(t)
        self._whole = gr.Checkbox(
            label=t("emotion.whole"), info=t("emotion.whole_info", seconds=round(LONG))
        )
        with gr.Row():
            self._hear = gr.Button(t("emotion.hear"), variant="primary", elem_id="emotion-hear")
            self._stop = gr.Button(t("emotion.stop"), visible=False, elem_id="emotion-stop")
        self._result = gr.Markdown(
            sanitize_html=False, latex_delimiters=[], elem_id="emotion-result"
        )
        self._desk = gr.State(_Desk())
        self._listen()

    def _listen(self) -> None:
        self._hear.click(
            self._answer,
            [self._recording, self._whole, self._desk],
            [self._recording, self._hear, self._stop, self._result],
            **_PRIVATE,
        )
        self._stop.click(self._end, self._desk, [self._hear, self._stop, self._result], **_PRIVATE)
        self._recording.change(self._keep, [self._recording, self._desk], None, **_PRIVATE)

    async def _answer(
        self, recording: str | None, whole: bool, desk: _Desk, request: gr.Request
    ) -> AsyncIterator[Updates]:
        """Shows what is heard as it becomes known."""
        # What was there of an answer goes, so that it is not taken for one.
        failed = {**self._ready(), self._recording: None, self._result: ""}
        try:
            with consumed(recording, self._t) as file:
                desk.waiting = None
                hearing = desk.hearing = Hearing()
                # Another may be recorded meanwhile.
                del failed[self._recording]
                yield {
                    self._recording: None,
                    self._hear: gr.update(interactive=False),
                    self._stop: gr.update(visible=True),
                    self._result: shown(hearing, False, self._t),
                }
                async with self._studio.gateway.caller(request, self._t) as caller:
                    job = hearing.listen(caller.orfeon, file, whole)
                    async for _ in desk.work.run(job, hearing.pause):
                        yield {self._result: shown(hearing, False, self._t)}
        except gr.Error:
            yield failed
            raise
        yield {**self._ready(), self._result: shown(hearing, True, self._t)}

    async def _end(self, desk: _Desk) -> Updates:
        """Stops listening, and says so itself: of an event that a cut network took along, no last
        update comes.
        """
        desk.work.stop()
        return {**self._ready(), self._result: shown(desk.hearing, True, self._t)}

    def _ready(self) -> Updates:
        return {self._hear: gr.update(interactive=True), self._stop: gr.update(visible=False)}

    async def _keep(self, recording: str | None, desk: _Desk) -> None:
        """Deletes what was recorded before and is not wanted any more."""
        if desk.waiting != recording:
            discard(desk.waiting)
        desk.waiting = recording


def _note(t: Texts) -> None:
    gr.Markdown(f"{t('emotion.deleted')} {t('emotion.caution')}", elem_id="emotion-note")


def _live(t: Texts) -> None:
    """The part of the page that `static/emotion.js` brings to life."""
    sentences = {
        **{name: t(f"microphone.{name}") for name in ("refused", "missing", "insecure")},
        **{name: t(f"emotion.live_{name}") for name in ("lost", "out", "asking")},
    }
    said = " ".join(f'data-{name}="{text(each)}"' for name, each in sentences.items())
    gr.Markdown(
        block(f"""
            <div id="emotion-live" data-address="{BASE}/live" data-language="{t.language}" {said}>
            <p>{t("emotion.live_what")}</p>
            <p><button type="button" class="emotion-live-start">{t("emotion.live_start")}</button>
            <button type="button" class="emotion-live-stop" hidden>{t("emotion.live_stop")}
            </button></p>
            <p class="emotion-live-status" role="status"></p>
            <div class="emotion-live-now"></div></div>"""),
        sanitize_html=False,
        latex_delimiters=[],
    )
