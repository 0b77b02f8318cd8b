"""What the page `images` is made of."""

from dataclasses import dataclass

import gradio as gr

from services.studio.painting import Way
from services.studio.texts import Texts

_SIZES = ("256x256", "512x512", "768x768", "1024x1024", "1024x1536", "1536x1024")
_MOST = 10


@dataclass(frozen=True, slots=True)
class Form:
    """The components: `chosen` shows the picture to start from, `state` how far things are."""

    prompt: gr.Textbox
    way: gr.Radio
    attach: gr.UploadButton
    detach: gr.Button
    chosen: gr.Markdown
    model: gr.Dropdown
    count: gr.Slider
    size: gr.Dropdown
    steps: gr.Number
    seed: gr.Number
    make: gr.Button
    stop: gr.Button
    state: gr.Markdown
    gallery: gr.Markdown


def laid_out(t: Texts) -> tuple[Form, gr.Markdown, gr.Column]:
    """Lays the components out, inside Gradio's blocks; also what is said where there is no model,
    and all that is shown where there is one.
    """
    problem = gr.Markdown(t("images.no_model"), visible=False, elem_id="images-problem")
    with gr.Column(visible=False, elem_id="images-form") as all_of_it:
        way = gr.Radio(label=t("images.way"), choices=ways((), t), visible=False)
        with gr.Row(elem_id="images-from"):
            attach = gr.UploadButton(t("images.attach"), file_types=["image"], visible=False)
            detach = gr.Button(t("images.detach"), visible=False)
        chosen = _html(visible=False)
        prompt = gr.Textbox(
            label=t("images.prompt"), placeholder=t("images.prompt_example"), lines=2,
            max_lines=8, max_length=32_000, elem_id="images-prompt",
        )  # fmt: skip
        with gr.Row():
            model = gr.Dropdown(label=t("images.model"), choices=[], elem_id="images-model")
            size = gr.Dropdown(
                label=t("images.size"), value="auto",
                choices=[(t("images.size_auto"), "auto"), *((size, size) for size in _SIZES)],
            )  # fmt: skip
            count = gr.Slider(1, _MOST, value=1, step=1, label=t("images.count"))
        with gr.Accordion(t("images.settings"), open=False), gr.Row():
            steps = gr.Number(label=t("images.steps"), info=t("images.steps_hint"), value=None)
            seed = gr.Number(label=t("images.seed"), info=t("images.seed_hint"), value=None)
        with gr.Row():
            make = gr.Button(t("images.make"), variant="primary")
            stop = gr.Button(t("images.stop"), interactive=False)
        state, gallery = _html(), _html()
    form = Form(
        prompt, way, attach, detach, chosen, model, count, size, steps, seed, make, stop, state,
        gallery,
    )  # fmt: skip
    return form, problem, all_of_it


def ways(tasks: tuple[str, ...], t: Texts) -> list[tuple[str, Way]]:
    """What a model of these tasks can start from, with its name."""
    every: tuple[Way, ...] = ("image-generation", "image-edit", "image-variation")
    return [(t(f"images.way_{way}"), way) for way in every if way in tasks]


def _html(visible: bool = True) -> gr.Markdown:
    return gr.Markdown("", sanitize_html=False, latex_delimiters=[], visible=visible)
