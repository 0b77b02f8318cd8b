"""Files that the commands write: whole, or not at all."""

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def check_place(output: Path) -> None:
    """Raises `FileNotFoundError` where there is no folder for a file: better before long work."""
    if not output.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(output.parent))


@contextmanager
def written(output: Path) -> Iterator[BinaryIO]:
    """A file that is there, whole, once the block has succeeded; for '-' stdout."""
    if output == Path("-"):
        yield sys.stdout.buffer
        return
    if output.is_symlink() or (output.exists() and not output.is_file()):
        with output.open("wb") as file:  # A device, a pipe or a link: to be written, not replaced.
            yield file
        return
    check_place(output)
    part = output.with_name(f".{output.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
