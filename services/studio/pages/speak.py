"""The page `speak`: a text, read aloud."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

import gradio as gr

from services.studio.caller import Caller
from services.studio.made import Made, size_of
from services.studio.markup import block, text
from services.studio.pages.opening import opening
from services.studio.studio import Studio
from services.studio.texts import Texts
from services.studio.voices import voice_choices, voice_models, voice_of
from services.studio.work import Work

Format = Literal["mp3", "opus", "aac", "flac", "wav"]
_FORMATS: tuple[Format, ...] = get_args(Format)
#: The most characters that the gateway takes in one request.
MOST = 4096
#: How often one is told how far it is, in seconds.
_PAUSE = 0.3


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be said, and how."""

    words: str
    model: str
    voice: str
    speed: float
    format: Format


def wish_of(t: Texts, words: str | None, voice: str | None, speed: float, format: Format) -> Wish:
    """What somebody asks for. Raises `gr.Error`, with a sentence, where that cannot be spoken."""
    words = (words or "").strip()
    if not words:
        raise gr.Error(t("speak.empty"), print_exception=False)
    if len(words) > MOST:
        told = t("speak.too_long", length=len(words), most=MOST)
        raise gr.Error(told, print_exception=False)
    with suppress(ValueError):
        return Wish(words, *voice_of(voice or "null"), speed, format)
    raise gr.Error(t("speak.no_voice"), print_exception=False)


async def spoken(caller: Caller, wish: Wish, made: Made) -> None:
    """Has the text spoken, into a file. Raises what OpenAI's client raises."""
    async with caller.openai.audio.speech.with_streaming_response.create(
        model=wish.model,
        voice=wish.voice,
        input=wish.words,
        speed=wish.speed,
        response_format=wish.format,
    ) as response:
        await made.write(response.iter_bytes())


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks."""
    work = gr.State(Work(), delete_callback=lambda work: work.stop())
    gr.Markdown(f"# {t('shell.speak')}\n\n{t('speak.intro')}")
    words = gr.Textbox(
        label=t("speak.text"), info=t("speak.text_hint", most=MOST), lines=5, max_lines=20,
        placeholder=t("speak.placeholder"), elem_id="speak-text",
    )  # fmt: skip
    with gr.Row():
        voices = gr.Dropdown(label=t("speak.voice"), choices=[], elem_id="speak-voice")
        models = gr.Dropdown(
            label=t("speak.model"), choices=[(t("speak.any_model"), "")], value="",
            elem_id="speak-model",
        )  # fmt: skip
    with gr.Row():
        speed = gr.Slider(
            0.25, 4, value=1, step=0.05, label=t("speak.speed"), info=t("speak.speed_hint"),
            elem_id="speak-speed",
        )  # fmt: skip
        format = gr.Radio(
            label=t("speak.format"), choices=[(each.upper(), each) for each in _FORMATS],
            value=_FORMATS[0], elem_id="speak-format",
        )  # fmt: skip
    with gr.Row():
        go = gr.Button(t("speak.speak"), variant="primary", elem_id="speak-go")
        cancel = gr.Button(t("speak.cancel"), variant="stop", visible=False, elem_id="speak-cancel")
    status = gr.Markdown("", elem_id="speak-status", elem_classes="live")
    result = gr.Markdown("", sanitize_html=False, latex_delimiters=[], elem_id="speak-result")
    download = gr.DownloadButton(visible=False, elem_id="speak-download")

    # For who cancels too: of an event that a cut network took along, no last update comes.
    idle = {go: gr.update(interactive=True), cancel: gr.update(visible=False)}

    async def offer(model: str | None, request: gr.Request) -> dict[Any, Any]:
        # Any model is what the page opens with; one that was chosen can be chosen again.
        asked = studio.gateway.caller(request, t) if model else opening(studio, request, t)
        async with asked as caller:
            there = await caller.orfeon.voices()
        any_or_one = [(t("speak.any_model"), ""), *((one, one) for one in voice_models(there))]
        choices = voice_choices(there, model, t)
        chosen = choices[0][1] if choices else None
        return {
            models: gr.update(choices=any_or_one),
            voices: gr.update(choices=choices, value=chosen),
        }

    async def speak(
        words: str | None, voice: str | None, speed: float, format: Format, work: Work,
        request: gr.Request,
    ) -> AsyncIterator[dict[Any, Any]]:  # fmt: skip
        wish = wish_of(t, words, voice, speed, format)
        made = Made(f"{t('speak.file_name')}.{wish.format}")

        async def job() -> None:
            async with studio.gateway.caller(request, t) as caller:
                await spoken(caller, wish, made)

        yield {
            go: gr.update(interactive=False),
            cancel: gr.update(visible=True),
            status: t("speak.waiting"),
            result: "",
            download: gr.update(visible=False),
        }
        try:
            async for _ in work.run(job(), lambda: _PAUSE):
                if made.size:
                    yield {status: t("speak.speaking", size=size_of(made.size))}
            if made.whole:
                shown = gr.update(
                    value=made.path,
                    label=t("speak.download", format=format.upper()),
                    visible=True,
                )
                told = t("speak.ready", size=size_of(made.size))
                yield {**idle, status: told, result: player(made, wish, t), download: shown}
            else:
                yield {**idle, status: t("speak.cancelled")}
        except gr.Error:
            yield {**idle, status: ""}
            raise
        finally:
            if not made.whole:
                made.discard()

    async def stop(work: Work) -> dict[Any, Any]:
        work.stop()
        return {**idle, status: t("speak.cancelled")}

    hidden: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None}
    gr.on(None, offer, models, [models, voices], show_progress="hidden", **hidden)
    running = [go, cancel, status, result, download]
    go.click(speak, [words, voices, speed, format, work], running, show_progress="hidden", **hidden)
    cancel.click(stop, work, [go, cancel, status], show_progress="hidden", **hidden)


def player(made: Made, wish: Wish, t: Texts) -> str:
    """What plays a file: the browser's own, which every keyboard and screen reader knows."""
    name = text(t("speak.player", format=wish.format.upper()))
    return block(f'<audio controls aria-label="{name}" src="{made.address(t)}"></audio>')
