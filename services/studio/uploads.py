"""What people uploaded or recorded: it is deleted as soon as it has been worked on."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import route_utils

from services.studio.texts import Texts

#: A wav file without a sample is as long as this, and no file that holds something is shorter.
_HEADER_BYTES = 44


class _Upload(route_utils.GradioUploadFile):
    """A file that is uploaded, under a name of its own.

    Gradio names what is the same alike, so that the first to be done would delete it for all.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sha.update(secrets.token_bytes(16))


def apart() -> None:
    """Has every upload kept in a folder of its own, in this process."""
    route_utils.GradioUploadFile = _Upload  # type: ignore[misc]


@contextmanager
def consumed(path: str | None, t: Texts) -> Iterator[Path]:
    """The file at `path`, as Gradio's components give it, which is gone after the block.

    Also after a failure. Raises `gr.Error`, with a sentence, where there is no file, or one that
    holds nothing.
    """
    if path is None:
        raise gr.Error(t("uploads.nothing"), print_exception=False)
    file = Path(path)
    try:
        if not file.is_file():
            raise gr.Error(t("uploads.gone"), print_exception=False)
        if file.stat().st_size <= _HEADER_BYTES:
            raise gr.Error(t("uploads.empty"), print_exception=False)
        yield file
    finally:
        discard(path)


def discard(path: str | None) -> None:
    """Deletes what was uploaded and will not be worked on. It may be gone already."""
    if path is None:
        return
    file = Path(path)
    file.unlink(missing_ok=True)
    # It was alone in its folder, which may be gone too.
    with suppress(OSError):
        file.parent.rmdir()
