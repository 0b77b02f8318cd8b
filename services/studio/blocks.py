"""Gradio's blocks, whose events fail with a sentence in the language of the page."""

import logging
from typing import Any

import gradio as gr

from services.studio.texts import Texts

log = logging.getLogger(__name__)


class Pages(gr.Blocks):
    """The pages of one language."""

    def __init__(self, t: Texts, **options: Any) -> None:
        super().__init__(**options)
        self._t = t

    async def process_api(self, *inputs: Any, **options: Any) -> dict[str, Any]:
        """Runs a step of an event. What fails in it is a `gr.Error` of ours.

        Gradio would tell people what an exception says, and print what they sent.
        """
        try:
            return await super().process_api(*inputs, **options)
        except gr.Error as error:
            if not error.print_exception:
                raise
            # Of Gradio itself, in English: a choice that was not offered, a file that is none.
            raise gr.Error(self._t("errors.refused"), print_exception=False) from None
        except Exception:
            log.exception("a page failed")
            raise gr.Error(self._t("errors.unexpected"), print_exception=False) from None
