"""Images that are kept for a while, for whoever knows their names."""

import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.images.writing import MEDIA_TYPES, FileFormat
from services.runtime.errors import InsufficientStorage, NotFound
from services.runtime.storage import storing

_ID_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9_-]{43}")
_BY_SUFFIX = {f".{kind}": media_type for kind, media_type in MEDIA_TYPES.items()}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is kept: its id, and when it goes, Unix seconds."""

    id: str
    media_type: str
    size: int
    expires_at: int


class ImageStore:
    """Files in a folder, for `seconds` each, of at most `most_bytes` together and `share` of that
    for one owner. Methods block.

    An id is 256 random bits and all that is needed to read: nobody guesses one. When a file goes
    stands in its time of change, and whose it is in its name, so that both outlive a restart.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seconds: int,
        most_bytes: int,
        share: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._most = most_bytes
        self._most_each = int(most_bytes * share)
        self._now = now
        # A file that is being written has not yet its time, and would be swept away.
        self._changing = threading.Lock()

    def add(self, data: bytes, kind: FileFormat, owner: str) -> StoredFile:
        """Keeps a file. Raises `InsufficientStorage`."""
        with self._changing, storing():
            self._check_room(len(data), owner)
            expires_at = int(self._now()) + self._seconds
            name = secrets.token_urlsafe(_ID_BYTES)
            path = self._folder / f"{name}.{_mark(owner)}.{kind}"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                os.utime(path, (expires_at, expires_at))
            except BaseException:
                path.unlink()
                raise
        return StoredFile(name, MEDIA_TYPES[kind], len(data), expires_at)

    def open(self, name: str) -> tuple[StoredFile, BinaryIO]:
        """A file that is kept, and its bytes, which can be read to their end even when its time
        comes meanwhile. Raises `NotFound` for one that has gone.
        """
        for path in self._folder.glob(f"{name}.*") if _ID.fullmatch(name) else ():
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            found = os.fstat(file.fileno())
            if self._now() < found.st_mtime:
                media_type = _BY_SUFFIX[path.suffix]
                return StoredFile(name, media_type, found.st_size, int(found.st_mtime)), file
            file.close()
        raise NotFound("There is no such image, or no longer; make it again.", param="file_id")

    def check_room(self, owner: str) -> None:
        """Raises `InsufficientStorage` where there is no room for any file of an owner."""
        with self._changing, storing():
            self._check_room(1, owner)

    def sweep(self) -> float | None:
        """Removes what has expired; says when the next one does, Unix seconds, if there is one."""
        with self._changing:
            return self._sweep()

    def _check_room(self, size: int, owner: str) -> None:
        self._sweep()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sizes = {path: path.stat().st_size for path in self._folder.iterdir()}
        mark = f".{_mark(owner)}"
        own = sum(each for path, each in sizes.items() if Path(path.stem).suffix == mark)
        if own + size > self._most_each:
            raise InsufficientStorage(
                "As many of your images are kept here as may be of one key; ask for b64_json, or "
                "try again later."
            )
        if sum(sizes.values()) + size > self._most:
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


def _mark(owner: str) -> str:
    """An owner, as names of files have it: ids may hold anything."""
    return hashlib.sha256(owner.encode()).hexdigest()[:16]
