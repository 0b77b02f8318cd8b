"""The page `home`: what this is, three examples at one click, and the way to everything else."""

from typing import Any

import gradio as gr

from services.studio.markup import block
from services.studio.pages.home_examples import SAMPLE, Examples
from services.studio.shell import STATIC
from services.studio.studio import Studio
from services.studio.texts import Texts

_OTHERS = ("emotion", "song", "chat", "speak", "transcribe", "images", "models", "queue")
_CLIP = f"{STATIC}/{SAMPLE}"


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks."""
    examples = Examples(studio, t)
    gr.Markdown(f"# {t('home.title')}\n\n{t('home.what')}\n\n**{t('home.privacy')}**")
    gr.Markdown(f"## {t('home.try')}\n\n{t('home.try_about')}")
    with gr.Row(equal_height=False, elem_classes="home-examples"):
        clip = f'<audio controls preload="none" aria-label="{t("home.hear_clip")}" src="{_CLIP}">'
        _example(t, "hear", "emotion", examples.hear, f"{clip}</audio>")
        _example(t, "write", "song", examples.write)
        _example(t, "say", "speak", examples.say)
    gr.Markdown(f"## {t('home.pages')}")
    _html(
        "".join(
            f'<li><a href="{name}">{t(f"shell.{name}")}</a><span>{t(f"home.about_{name}")}</span>'
            "</li>"
            for name in _OTHERS
        ),
        "ul",
        "home-pages",
    )


def _example(t: Texts, name: str, page: str, run: Any, shown: str = "") -> None:
    """A card: what it is, a button, what comes of it, and the page that has more of it."""
    about = t(f"home.{name}_about")
    with gr.Column(elem_classes="home-example", min_width=280):
        _html(f"<h3>{t(f'home.{name}')}</h3><p>{about}</p>{shown}", "div")
        go = gr.Button(t(f"home.{name}_go"), variant="primary", elem_id=f"home-{name}-go")
        says = gr.Markdown("", elem_id=f"home-{name}-says", elem_classes="live")
        result = gr.Markdown(
            "", sanitize_html=False, latex_delimiters=[], elem_id=f"home-{name}-result"
        )
        _html(f'<a href="{page}">{t(f"home.{name}_more")}</a>', "p")
    go.click(
        run,
        None,
        [says, result],
        api_visibility="private",
        concurrency_limit=None,
        show_progress="hidden",
    )


def _html(inside: str, tag: str, kind: str = "") -> None:
    gr.Markdown(
        block(f'<{tag} class="{kind}">{inside}</{tag}>'), sanitize_html=False, latex_delimiters=[]
    )
