"""The page `models`: what there is, and what is in memory."""

import gradio as gr

from services.studio.pages.board import place
from services.studio.studio import Studio
from services.studio.texts import Texts


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks. `static/board.js` fills it."""
    gr.Markdown(f"# {t('shell.models')}\n\n{t('models.about')}")
    place("models", t)
