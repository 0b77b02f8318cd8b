"""The files that keys have uploaded, and those that jobs made for them.

A file is whole or not there: its bytes are synced under another name before its row is.
"""

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from services.runtime.errors import ContentTooLarge, InsufficientStorage, InvalidRequest, NotFound
from services.runtime.storage import storing, sync_folder
from services.training.store import Store

Purpose = Literal["fine-tune", "fine-tune-results"]

UPLOADED: Purpose = "fine-tune"
RESULT: Purpose = "fine-tune-results"
#: Seconds that a file may be asked to be kept: an hour to thirty days.
LEAST_KEPT, MOST_KEPT = 3600, 30 * 24 * 3600
MAX_NAME = 255
#: Of a part of a file that was never completed.
_PART = ".part"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file. Times are in Unix seconds; `expires` is None for never."""

    id: str
    owner: str
    filename: str
    purpose: str
    bytes: int
    created: float
    expires: float | None


class Incoming:
    """A file that is being written; nothing of it stays unless `Files.keep` is called."""

    def __init__(self, path: Path, most: int) -> None:
        self.path = path
        self.size = 0
        self._most = most
        self._file: BinaryIO = path.open("xb")

    def append(self, data: bytes) -> None:
        """Writes what comes next. Raises `ContentTooLarge`, `InsufficientStorage`."""
        self.size += len(data)
        if self.size > self._most:
            raise ContentTooLarge(
                f"The file is larger than the limit of {self._most:,} bytes.", param="file"
            )
        with storing():
            self._file.write(data)

    def end(self) -> None:
        """Syncs what was written."""
        with storing():
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Forgets it, unless it was kept."""
        with contextlib.suppress(OSError):  # What could not be written is gone in any case.
            self._file.close()
        self.path.unlink(missing_ok=True)


class Files:
    """The files in one folder. Every method blocks and may be called from any thread.

    `most` are the bytes of one file, `stored` those that the files of one key may have together;
    `now` gives Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        most: int,
        stored: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._folder = folder
        self._most = most
        self._stored = stored
        self._now = now

    def open(self) -> None:
        """Makes the folder, and removes what is left of files that were never completed."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = {row["id"] for row in self._store.all("SELECT id FROM files")}
        for path in self._folder.iterdir():
            if path.name not in known:
                path.unlink()

    @contextlib.contextmanager
    def incoming(self, owner: str) -> Iterator[Incoming]:
        """A new file to write, which is gone after the block unless it was kept."""
        left = self._stored - self._taken(owner)
        if left <= 0:
            raise InsufficientStorage(
                f"Your files take the {self._stored:,} bytes that they may; delete some."
            )
        with storing():
            file = Incoming(self._folder / f"{secrets.token_hex(12)}{_PART}", self._most)
        try:
            yield file
        finally:
            file.close()

    def keep(
        self, owner: str, file: Incoming, filename: str, purpose: str, expires_after: int = 0
    ) -> KeptFile:
        """Keeps a file under a new id. Raises `InvalidRequest`, `InsufficientStorage`."""
        _check(filename, purpose, expires_after)
        if not file.size:
            raise InvalidRequest("The file is empty.", param="file")
        if self._taken(owner) + file.size > self._stored:
            raise InsufficientStorage(
                f"Your files would take more than the {self._stored:,} bytes that they may; "
                "delete some."
            )
        return self._keep(f"file-{secrets.token_hex(12)}", owner, file, filename, purpose,
                          expires_after)  # fmt: skip

    def publish(self, file_id: str, owner: str, filename: str, data: bytes) -> KeptFile:
        """Keeps what a job made, under an id of the caller's; the same one again is no other."""
        if (row := self._row(file_id)) is not None:
            return _file(row)
        with storing():
            file = Incoming(self._folder / f"{secrets.token_hex(12)}{_PART}", len(data))
        try:
            file.append(data)
            return self._keep(file_id, owner, file, filename, RESULT, 0)
        finally:
            file.close()

    def _keep(
        self,
        file_id: str,
        owner: str,
        file: Incoming,
        filename: str,
        purpose: str,
        expires_after: int,
    ) -> KeptFile:
        file.end()
        created = self._now()
        expires = created + expires_after if expires_after else None
        file.path.rename(self._folder / file_id)
        sync_folder(self._folder)
        try:
            with self._store.change() as database:
                database.execute(
                    "INSERT INTO files (id, owner, filename, purpose, bytes, created, expires)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (file_id, owner, filename, purpose, file.size, created, expires),
                )
        except BaseException:
            (self._folder / file_id).unlink(missing_ok=True)
            raise
        return KeptFile(file_id, owner, filename, purpose, file.size, created, expires)

    def get(
        self, file_id: str, owner: str, *, expired: bool = False, param: str = "file_id"
    ) -> KeptFile:
        """A file. Raises `NotFound`, also for those of others and what has `expired`."""
        row = self._row(file_id)
        gone = row is not None and not expired and _has_expired(row, self._now())
        if row is None or row["owner"] != owner or gone:
            raise NotFound("There is no such file here.", param=param)
        return _file(row)

    def path(self, file: KeptFile) -> Path:
        """Where its bytes lie."""
        return self._folder / file.id

    def page(
        self, owner: str, limit: int, after: str, purpose: str = "", *, ascending: bool = False
    ) -> tuple[list[KeptFile], bool]:
        """Some files of an owner, and whether there are more. Raises `NotFound` for `after`."""
        order, beyond = ("ASC", ">") if ascending else ("DESC", "<")
        where, values = "owner = ? AND (expires IS NULL OR expires > ?)", [owner, self._now()]
        if purpose:
            where, values = f"{where} AND purpose = ?", [*values, purpose]
        if after:
            start = self._row(after)
            if start is None or start["owner"] != owner:
                raise NotFound("There is no such file to list from.", param="after")
            where, values = f"{where} AND number {beyond} ?", [*values, start["number"]]
        rows = self._store.all(
            f"SELECT * FROM files WHERE {where} ORDER BY number {order} LIMIT ?", *values, limit + 1
        )
        return [_file(row) for row in rows[:limit]], len(rows) > limit

    def delete(self, file_id: str, owner: str) -> None:
        """Removes a file. Raises `NotFound`; `InvalidRequest` while a job needs it."""
        self.get(file_id, owner)
        with self._store.change() as database:
            user = database.execute(_USER, (file_id,)).fetchone()
            if user is not None:
                raise InvalidRequest(
                    f"The job {user['id']} needs this file; cancel it first, or wait for its end.",
                    param="file_id",
                )
            database.execute("DELETE FROM files WHERE id = ?", (file_id,))
        (self._folder / file_id).unlink(missing_ok=True)

    def remove_expired(self) -> None:
        """Removes what has expired and no job needs."""
        rows = self._store.all("SELECT * FROM files WHERE expires <= ?", self._now())
        for row in rows:
            with contextlib.suppress(InvalidRequest, NotFound), self._store.change() as database:
                if database.execute(_USER, (row["id"],)).fetchone() is None:
                    database.execute("DELETE FROM files WHERE id = ?", (row["id"],))
                    (self._folder / row["id"]).unlink(missing_ok=True)

    def _row(self, file_id: str) -> sqlite3.Row | None:
        return self._store.one("SELECT * FROM files WHERE id = ?", file_id)

    def _taken(self, owner: str) -> int:
        row = self._store.one("SELECT SUM(bytes) AS taken FROM files WHERE owner = ?", owner)
        return int(row["taken"] or 0) if row is not None else 0


#: A job that has not ended and is made from a file.
_USER = """
SELECT jobs.id FROM jobs JOIN uses ON uses.job = jobs.id
WHERE uses.file = ? AND NOT uses.result AND jobs.finished IS NULL LIMIT 1
"""


def _check(filename: str, purpose: str, expires_after: int) -> None:
    if purpose != UPLOADED:
        raise InvalidRequest(f"purpose must be '{UPLOADED}'.", param="purpose")
    if not 1 <= len(filename) <= MAX_NAME or any(ord(letter) < 32 for letter in filename):
        raise InvalidRequest(f"The file needs a name of up to {MAX_NAME} characters.", param="file")
    if expires_after and not LEAST_KEPT <= expires_after <= MOST_KEPT:
        raise InvalidRequest(
            f"expires_after.seconds must be between {LEAST_KEPT} and {MOST_KEPT}.",
            param="expires_after",
        )


def _has_expired(row: sqlite3.Row, now: float) -> bool:
    return row["expires"] is not None and bool(row["expires"] <= now)


def _file(row: sqlite3.Row) -> KeptFile:
    return KeptFile(
        row["id"], row["owner"], row["filename"], row["purpose"], row["bytes"], row["created"],
        row["expires"],
    )  # fmt: skip
