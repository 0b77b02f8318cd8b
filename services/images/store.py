"""Images that are kept for a while, for whoever knows their names."""

import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.images.writing import MEDIA_TYPES, FileFormat
from services.runtime.errors import InsufficientStorage, NotFound
from services.runtime.storage import storing

_ID_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is kept: its id, and when it goes, Unix seconds."""

    id: str
    media_type: str
    size: int
    expires_at: int


class ImageStore:
    """Files in a folder, for `seconds` each, of at most `most_bytes` together. Methods block.

    An id is 256 random bits and all that is needed to read: nobody guesses one. When a file goes
    stands in its time of change, so that it goes after a restart too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seconds: int,
        most_bytes: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._most = most_bytes
        self._now = now
        # A file that is being written has not yet its time, and would be swept away.
        self._changing = threading.Lock()

    def add(self, data: bytes, kind: FileFormat) -> StoredFile:
        """Keeps a file. Raises `InsufficientStorage`."""
        with self._changing, storing():
            self._check_room(len(data))
            expires_at = int(self._now()) + self._seconds
            name = secrets.token_urlsafe(_ID_BYTES)
            path = self._folder / f"{name}.{kind}"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                os.utime(path, (expires_at, expires_at))
            except BaseException:
                path.unlink()
                raise
        return StoredFile(name, MEDIA_TYPES[kind], len(data), expires_at)

    def read(self, name: str) -> tuple[StoredFile, bytes]:
        """A file that is kept, and its bytes. Raises `NotFound` for one that has gone."""
        for kind, media_type in MEDIA_TYPES.items() if _ID.fullmatch(name) else ():
            path = self._folder / f"{name}.{kind}"
            try:
                expires_at = path.stat().st_mtime
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            if self._now() < expires_at:
                return StoredFile(name, media_type, len(data), int(expires_at)), data
        raise NotFound("There is no such image, or no longer; make it again.", param="file_id")

    def check_room(self) -> None:
        """Raises `InsufficientStorage` where there is no room for any file."""
        with self._changing, storing():
            self._check_room(1)

    def sweep(self) -> float | None:
        """Removes what has expired; says when the next one does, Unix seconds, if there is one."""
        with self._changing:
            return self._sweep()

    def _check_room(self, size: int) -> None:
        self._sweep()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = sum(path.stat().st_size for path in self._folder.iterdir())
        if held + size > self._most:
            raise InsufficientStorage(
                "As many images are kept here as may be; ask for b64_json, or try again later."
            )

    def _sweep(self) -> float | None:
        if not self._folder.is_dir():
            return None
        left: list[float] = []
        for path in self._folder.iterdir():
            expires_at = path.stat().st_mtime
            if expires_at <= self._now():
                path.unlink()
            else:
                left.append(expires_at)
        return min(left, default=None)
