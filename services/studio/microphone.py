"""What goes wrong with a microphone or a recording, said beside the recorder.

`static/microphone.js` says it.
"""

import gradio as gr

from services.studio.markup import block, text
from services.studio.texts import Texts


def note(t: Texts) -> None:
    """Lays out the place of the sentence, empty as long as nothing is wrong."""
    said = " ".join(
        f'data-{name}="{text(t(f"microphone.{name}"))}"'
        for name in ("refused", "missing", "insecure", "long", "record", "upload")
    )
    gr.Markdown(
        block(f'<p class="studio-microphone" role="alert" {said}></p>'),
        sanitize_html=False,
        latex_delimiters=[],
        elem_classes="studio-microphone-note",
    )
