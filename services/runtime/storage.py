"""Disks that are full, as an error that callers can be told of, and renames that last."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.runtime.errors import InsufficientStorage

#: Of a disk or a quota that is full, and of a file that has reached the largest size allowed.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def storing() -> Iterator[None]:
    """Raises `InsufficientStorage` where the block fails for want of room. Other errors stay."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise InsufficientStorage(
            "The disk that files are kept on here is full; try again later, or send less."
        ) from error


def sync_folder(folder: Path) -> None:
    """Has the renames in a folder on the disk: they are not before the folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
