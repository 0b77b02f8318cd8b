"""Where uploads and what is made lie: as long as needed, and no longer than the process."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "orfeon-studio-"


@contextlib.contextmanager
def scratch() -> Iterator[str]:
    """A folder that is gone afterwards; those of processes that were killed go now."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # What cannot be opened is another user's; what is locked, a process' that runs.
        with contextlib.suppress(OSError), _locked(folder):
            shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, _locked(name):
        yield name


def sweep(folder: Path, seconds: float) -> None:
    """Deletes files that nothing has happened to for so long, and folders that are empty."""
    oldest = time.time() - seconds
    for place, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = Path(place, name)
            # It may be gone by now, and a folder may hold something.
            with contextlib.suppress(OSError):
                if path.lstat().st_ctime >= oldest:
                    continue
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()


@contextlib.contextmanager
def _locked(folder: str | Path) -> Iterator[None]:
    """Holds the lock of a folder, which ends with the process. Raises `OSError` if another does."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)
