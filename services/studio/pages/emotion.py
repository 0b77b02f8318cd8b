"""The page `emotion`."""

import gradio as gr

from services.studio.studio import Studio
from services.studio.texts import Texts


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks."""
    gr.Markdown(f"# {t('shell.emotion')}")
