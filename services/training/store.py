"""What is known of files and jobs, in SQLite: it outlives this process.

One process has it open, and no other can: two would work on the same jobs. There is no write-ahead
log, which volumes of a network cannot hold.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.runtime.errors import InsufficientStorage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    filename TEXT NOT NULL,
    purpose TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created REAL NOT NULL,
    expires REAL
);
CREATE INDEX IF NOT EXISTS files_of_owners ON files (owner, number);
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    ask TEXT NOT NULL,
    priority INTEGER NOT NULL,
    status TEXT NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    estimate REAL,
    model TEXT NOT NULL,
    error TEXT,
    heard INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS jobs_of_owners ON jobs (owner, number);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, priority, number);
CREATE TABLE IF NOT EXISTS uses (
    job TEXT NOT NULL,
    file TEXT NOT NULL,
    result INTEGER NOT NULL,
    PRIMARY KEY (job, file)
);
CREATE INDEX IF NOT EXISTS uses_of_files ON uses (file);
CREATE TABLE IF NOT EXISTS notes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job TEXT NOT NULL,
    kind TEXT NOT NULL,
    created REAL NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL,
    step INTEGER NOT NULL,
    metrics TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS notes_of_jobs ON notes (job, kind, number);
"""

_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC")


class DatabaseUnusable(Exception):
    """The database is broken, locked or away; says where it is."""


class Store:
    """The database in one file. Every method blocks and may be called from any thread.

    Raises `InsufficientStorage` where the disk is full.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        try:
            self._database = sqlite3.connect(path, timeout=5, check_same_thread=False)
            self._database.row_factory = sqlite3.Row
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA secure_delete = ON")
            self._database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except sqlite3.Error as error:
            raise DatabaseUnusable(
                f"The database of trainings {path} cannot be used: {error}"
            ) from error

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of the block's changes, or none."""
        with self._lock:
            try:
                with self._database:
                    self._database.execute("BEGIN IMMEDIATE")
                    yield self._database
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname not in _FULL:
                    raise
                raise InsufficientStorage(
                    "The disk that jobs are kept on here is full; try again later."
                ) from error

    def one(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row, if there is one."""
        with self._lock:
            row: sqlite3.Row | None = self._database.execute(query, values).fetchone()
            return row

    def all(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """Every row."""
        with self._lock:
            return self._database.execute(query, values).fetchall()

    def close(self) -> None:
        """Closes it."""
        with self._lock:
            self._database.close()
