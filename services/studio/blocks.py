"""Gradio's blocks, whose events fail with a sentence in the language of the page."""

import logging
import os
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from services.studio.texts import Texts

log = logging.getLogger(__name__)


class Pages(gr.Blocks):
    """The pages of one language."""

    def __init__(self, t: Texts, **options: Any) -> None:
        super().__init__(**options)
        self._t = t

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any) -> Any:
        """What an event is given. Its files are such as were uploaded here, and no others.

        Gradio looks where they lie only in apps that it has started itself. Ours would read, and
        delete, any file of this process that somebody named, and fetch any address.
        """
        for each in inputs:
            self._verify(each)
        return await super().preprocess_data(block_fn, inputs, *rest)

    def _verify(self, value: Any) -> None:
        """Raises `gr.Error` for a file in the value that was not uploaded here."""
        if isinstance(value, list):
            for each in value:
                self._verify(each)
        elif isinstance(value, dict):
            if "path" in value and (value.get("is_stream") or not _is_uploaded(value["path"])):
                raise gr.Error(self._t("errors.refused"), print_exception=False)
            for each in value.values():
                self._verify(each)

    def handle_streaming_diffs(
        self,
        block_fn: Any,
        data: list[Any],
        session_hash: str | None,
        run: str | None,
        final: bool,
        simple_format: bool = False,
    ) -> list[Any]:
        """What is told of a step of an event with many, or that it has ended.

        With that Gradio would tell its last step again, and undo what other events of the page have
        changed meanwhile.
        """
        told = super().handle_streaming_diffs(
            block_fn, data, session_hash, run, final, simple_format
        )
        if not final:
            return told
        return [None if each.stateful else gr.skip() for each in block_fn.outputs]

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


def _is_uploaded(path: Any) -> bool:
    """Whether a path, as it is written, is that of a plain file in the folder of uploads."""
    folder = os.path.abspath(get_upload_folder()) + os.sep
    return (
        isinstance(path, str)
        and "\0" not in path
        and path.startswith(folder)
        and os.path.normpath(path) == path
        and not os.path.islink(path)
    )
