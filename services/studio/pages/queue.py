"""The page `queue`: what runs and what waits."""

import gradio as gr

from services.studio.pages.board import place
from services.studio.studio import Studio
from services.studio.texts import Texts


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks. `static/board.js` fills it."""
    gr.Markdown(f"# {t('shell.queue')}\n\n{t('queue.about')}")
    place("queue", t, cancelled=t("queue.cancelled"))
