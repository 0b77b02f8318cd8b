"""What the page `chat` is made of."""

from dataclasses import dataclass

import gradio as gr

from services.studio.conversations import Conversation
from services.studio.pages import chat_view
from services.studio.texts import Texts

#: What an answer may have at most, and has where nobody says, in tokens.
_LONGEST, _USUAL = 8000, 1000


@dataclass(frozen=True, slots=True)
class Form:
    """The components: `past` holds what was said, `current` the last answer; `waiting`
    shows pictures that go with the next message.
    """

    conversation: gr.State
    seeing: gr.State
    model: gr.Dropdown
    problem: gr.Markdown
    past: gr.Markdown
    current: gr.Markdown
    waiting: gr.Markdown
    words: gr.Textbox
    send: gr.Button
    stop: gr.Button
    attach: gr.UploadButton
    detach: gr.Button
    retry: gr.Button
    clear: gr.Button
    instructions: gr.Textbox
    temperature: gr.Slider
    longest: gr.Slider


def laid_out(t: Texts) -> Form:
    """Lays the components out, inside Gradio's blocks."""
    conversation = gr.State(Conversation())
    seeing = gr.State(())
    gr.Markdown(f"# {t('shell.chat')}\n\n{t('chat.intro')}")
    model = gr.Dropdown(label=t("chat.model"), choices=[], elem_id="chat-model")
    problem = gr.Markdown(t("chat.no_model"), visible=False)
    with gr.Column(elem_id="chat-log"):
        past = _html(chat_view.nothing(t))
        current = _html("")
    _html(chat_view.words(t))
    waiting = _html("", visible=False)
    words = gr.Textbox(
        label=t("chat.message"), info=t("chat.message_hint"), lines=1, max_lines=8,
        max_length=100_000, elem_id="chat-message",
    )  # fmt: skip
    with gr.Row(elem_id="chat-buttons"):
        # Until there is a model that answers.
        send = gr.Button(t("chat.send"), variant="primary", interactive=False, min_width=110)
        stop = gr.Button(t("chat.stop"), interactive=False, min_width=110)
        attach = gr.UploadButton(
            t("chat.attach"), file_types=["image"], visible=False, min_width=110
        )
        detach = gr.Button(t("chat.detach"), visible=False, min_width=110)
        retry = gr.Button(t("chat.retry"), interactive=False, min_width=110)
        clear = gr.Button(t("chat.clear"), min_width=110)
    with gr.Accordion(t("chat.settings"), open=False):
        instructions = gr.Textbox(
            label=t("chat.instructions"), info=t("chat.instructions_hint"), lines=2,
            max_lines=8, max_length=20_000,
        )  # fmt: skip
        temperature = gr.Slider(
            0, 2, value=0.7, step=0.1, elem_id="chat-temperature",
            label=t("chat.temperature"), info=t("chat.temperature_hint"),
        )  # fmt: skip
        longest = gr.Slider(
            50, _LONGEST, value=_USUAL, step=50, elem_id="chat-longest",
            label=t("chat.longest"), info=t("chat.longest_hint"),
        )  # fmt: skip
    return Form(
        conversation, seeing, model, problem, past, current, waiting, words, send, stop, attach,
        detach, retry, clear, instructions, temperature, longest,
    )  # fmt: skip


def _html(value: str, visible: bool = True) -> gr.Markdown:
    return gr.Markdown(value, sanitize_html=False, latex_delimiters=[], visible=visible)
