"""The page `transcribe`: what is said in a recording, and what the voice tells with it."""

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from services.studio import microphone
from services.studio.languages import language_choices
from services.studio.pages.transcribe_view import outcome, progress, shown
from services.studio.studio import Studio
from services.studio.texts import Texts
from services.studio.transcribing import Transcript, Wish, follow
from services.studio.uploads import consumed
from services.studio.work import Work

#: How often what was understood is shown, in seconds.
_PAUSE = 0.4


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks."""
    work = gr.State(Work(), delete_callback=lambda work: work.stop())
    gr.Markdown(f"# {t('shell.transcribe')}\n\n{t('transcribe.intro')}")
    recording = gr.Audio(
        label=t("transcribe.recording"), sources=["microphone", "upload"], type="filepath",
        buttons=[], elem_id="transcribe-recording",
    )  # fmt: skip
    microphone.note(t)
    with gr.Row():
        language = gr.Dropdown(
            label=t("transcribe.language"),
            choices=[(t("transcribe.auto"), ""), *language_choices(t)],
            value="",
            elem_id="transcribe-language",
        )
        translate = gr.Checkbox(
            label=t("transcribe.translate"), info=t("transcribe.translate_hint"),
            elem_id="transcribe-translate",
        )  # fmt: skip
        feelings = gr.Checkbox(
            value=True, label=t("transcribe.feelings"), info=t("transcribe.feelings_hint"),
            elem_id="transcribe-feelings",
        )  # fmt: skip
    with gr.Row():
        go = gr.Button(t("transcribe.transcribe"), variant="primary", elem_id="transcribe-go")
        cancel = gr.Button(
            t("transcribe.cancel"), variant="stop", visible=False, elem_id="transcribe-cancel"
        )
    status = gr.Markdown("", elem_id="transcribe-status", elem_classes="live")
    result = gr.Markdown("", sanitize_html=False, latex_delimiters=[], elem_id="transcribe-result")

    # For who cancels too: of an event that a cut network took along, no last update comes.
    idle = {go: gr.update(interactive=True), cancel: gr.update(visible=False)}

    async def transcribe(
        path: str | None, language: str | None, translate: bool, feelings: bool, work: Work,
        request: gr.Request,
    ) -> AsyncIterator[dict[Any, Any]]:  # fmt: skip
        wish = Wish(language or "", translate, feelings)
        transcript = Transcript()

        async def job() -> None:
            async with studio.gateway.caller(request, t) as caller:
                await follow(caller.openai, file, wish, transcript)

        failed: dict[Any, Any] = {**idle, recording: None, status: ""}
        try:
            with consumed(path, t) as file:
                # From here on another may be picked.
                del failed[recording]
                yield {
                    recording: None,
                    go: gr.update(interactive=False),
                    cancel: gr.update(visible=True),
                    status: progress(transcript, t),
                    result: "",
                }
                told = 0
                async for _ in work.run(job(), lambda: _PAUSE):
                    if len(transcript.segments) > told:
                        told = len(transcript.segments)
                        words = shown(transcript, wish, t)
                        yield {status: progress(transcript, t), result: words}
        except gr.Error:
            yield failed
            raise
        yield {
            **idle,
            status: outcome(transcript, wish, t),
            result: shown(transcript, wish, t),
        }

    async def stop(work: Work) -> dict[Any, Any]:
        work.stop()
        return {**idle, status: t("transcribe.cancelled")}

    hidden: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None}
    go.click(
        transcribe,
        [recording, language, translate, feelings, work],
        [go, cancel, recording, status, result],
        show_progress="hidden",
        **hidden,
    )
    cancel.click(stop, work, [go, cancel, status], show_progress="hidden", **hidden)
