"""Where a page shows what changes by itself; `static/board.js` asks for it again and again.

Gradio's timer would not do: it goes on while nobody looks, and what it replaces takes the focus
with it from under whoever uses a keyboard.
"""

import gradio as gr

from services.studio.markup import block, text
from services.studio.texts import Texts


def place(name: str, t: Texts, **told: str) -> None:
    """An empty board, to be filled with `/studio/boards/<name>`; `told` are sentences for it."""
    data = {"board": name, "lost": t(f"{name}.lost"), **told}
    attributes = " ".join(f'data-{key}="{text(value)}"' for key, value in data.items())
    gr.Markdown(
        block(
            f'<div {attributes}><p role="alert"></p>'
            f'<p role="status"></p><div class="shown"><p>{t(f"{name}.wait")}</p></div></div>'
        ),
        sanitize_html=False,
        latex_delimiters=[],
    )
