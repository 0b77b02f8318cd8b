"""Jobs as they are kept: their states, what happened in them, and who is next.

A job is `validating_files`, `queued`, `running` or `paused` until it has ended; then it is
`succeeded`, `failed` or `cancelled`, and stays so. Changes of state say from which state, so that
of two that come at once the second finds nothing to change.
"""

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from services.runtime.errors import NotFound
from services.training.order import Order
from services.training.store import Store

Status = Literal[
    "validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"
]
Level = Literal["info", "warn", "error"]
Kind = Literal["event", "checkpoint"]

ACTIVE: tuple[Status, ...] = ("validating_files", "queued", "running", "paused")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: for programs, for people, and the field at fault if one is."""

    code: str
    message: str
    param: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is now. Times are in Unix seconds.

    `model` is the name of what it makes, whether or not it is there yet. `heard` are the bytes of
    the trainer's events that have been read, `tries` the times that it was begun without an end.
    """

    id: str
    owner: str
    order: Order
    status: Status
    created: float
    started: float | None
    finished: float | None
    estimate: float | None
    model: str
    failure: Failure | None
    heard: int
    tries: int
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What happened in a job, or a checkpoint of it, `created` in Unix seconds."""

    message: str
    level: Level = "info"
    kind: Kind = "event"
    step: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    created: float | None = None
    id: str = ""


class Records:
    """The jobs. Every method blocks and may be called from any thread; `now` is Unix seconds."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    def add(self, job: str, owner: str, order: Order, model: str) -> None:
        """Keeps a job, to be validated."""
        with self._store.change() as database:
            database.execute(
                "INSERT INTO jobs (id, owner, ask, priority, status, created, model)"
                " VALUES (?, ?, ?, ?, 'validating_files', ?, ?)",
                (job, owner, order.to_json(), order.priority, self._now(), model),
            )
            database.executemany(
                "INSERT INTO uses VALUES (?, ?, 0)", {(job, file) for file in order.files}
            )
            self._write(database, job, [Note("Accepted; the files are looked through.")])

    def get(self, job: str, owner: str) -> Job:
        """A job. Raises `NotFound`, also for those of others."""
        row = self._row(job)
        if row is None or row["owner"] != owner:
            raise NotFound("There is no such job here.", param="fine_tuning_job_id")
        return self._job(row)

    def find(self, job: str) -> Job | None:
        """A job, whoever's."""
        row = self._row(job)
        return None if row is None else self._job(row)

    def page(
        self, owner: str, limit: int, after: str, metadata: Mapping[str, str]
    ) -> tuple[list[Job], bool]:
        """Some jobs of an owner, the newest first, and whether there are more."""
        where, values = "owner = ?", [owner]
        if after:
            start = self._row(after)
            if start is None or start["owner"] != owner:
                raise NotFound("There is no such job to list from.", param="after")
            where, values = f"{where} AND number < ?", [*values, start["number"]]
        for name, value in metadata.items():
            # Compared as whole entries: a name may hold what a path of JSON would stumble over.
            where += (
                " AND EXISTS (SELECT 1 FROM json_each(jobs.ask, '$.metadata') AS note"
                " WHERE note.key = ? AND note.value = ?)"
            )
            values += [name, value]
        rows = self._store.all(
            f"SELECT * FROM jobs WHERE {where} ORDER BY number DESC LIMIT ?", *values, limit + 1
        )
        return [self._job(row) for row in rows[:limit]], len(rows) > limit

    def in_state(self, state: Status, limit: int = -1) -> list[Job]:
        """Everybody's jobs in a state, the next one first; all, unless there is a limit."""
        rows = self._store.all(
            "SELECT * FROM jobs WHERE status = ? ORDER BY priority, number LIMIT ?", state, limit
        )
        return [self._job(row) for row in rows]

    def waiting(self) -> int:
        """How many wait, in whatever way."""
        row = self._store.one(
            "SELECT COUNT(*) AS n FROM jobs WHERE status IN ('validating_files', 'queued')"
        )
        return int(row["n"]) if row is not None else 0

    def move(self, job: str, come_from: tuple[Status, ...], to: Status, note: Note) -> bool:
        """Changes a job's state, and says so in an event. False where it was in none of those."""
        with self._store.change() as database:
            return self._shift(database, job, come_from, to, note)

    def fail(self, job: str, failure: Failure) -> bool:
        """Ends a job that has not ended, and says why."""
        with self._store.change() as database:
            done = database.execute(
                "UPDATE jobs SET status = 'failed', finished = ?, estimate = NULL, error = ?"
                " WHERE id = ? AND status IN ('validating_files', 'queued', 'running')",
                (self._now(), json.dumps([failure.code, failure.message, failure.param]), job),
            )
            if done.rowcount:
                self._write(database, job, [Note(failure.message, "error")])
            return bool(done.rowcount)

    def succeed(self, job: str, results: tuple[str, ...], note: Note) -> bool:
        """Ends a job that ran, with the ids of its files. False where it runs no more."""
        with self._store.change() as database:
            if not self._shift(database, job, ("running",), "succeeded", note):
                return False
            database.executemany(
                "INSERT OR IGNORE INTO uses VALUES (?, ?, 1)", [(job, file) for file in results]
            )
            return True

    def hear(self, job: str, heard: int, notes: list[Note], estimate: float | None) -> None:
        """Keeps what the trainer has told, up to a place in its events, once."""
        with self._store.change() as database:
            database.execute(
                "UPDATE jobs SET heard = ?, estimate = COALESCE(?, estimate) WHERE id = ?",
                (heard, estimate, job),
            )
            self._write(database, job, notes)

    def tried(self, job: str) -> None:
        """Counts another beginning."""
        with self._store.change() as database:
            database.execute("UPDATE jobs SET tries = tries + 1 WHERE id = ?", (job,))

    def notes(self, job: str, kind: Kind, limit: int, after: str) -> tuple[list[Note], bool]:
        """Some notes of a job, the newest first, and whether there are more."""
        where, values = "job = ? AND kind = ?", [job, kind]
        if after:
            start = self._store.one(
                "SELECT number FROM notes WHERE id = ? AND job = ? AND kind = ?", after, job, kind
            )
            if start is None:
                raise NotFound(f"There is no such {kind} to list from.", param="after")
            where, values = f"{where} AND number < ?", [*values, start["number"]]
        rows = self._store.all(
            f"SELECT * FROM notes WHERE {where} ORDER BY number DESC LIMIT ?", *values, limit + 1
        )
        return [_note(row) for row in rows[:limit]], len(rows) > limit

    def _shift(
        self,
        database: sqlite3.Connection,
        job: str,
        come_from: tuple[Status, ...],
        to: Status,
        note: Note,
    ) -> bool:
        now = self._now()
        marks = ", ".join("?" * len(come_from))
        done = database.execute(
            "UPDATE jobs SET status = ?, finished = ?, estimate = NULL,"
            f" started = COALESCE(started, ?) WHERE id = ? AND status IN ({marks})",
            (to, None if to in ACTIVE else now, now if to == "running" else None, job, *come_from),
        )
        if done.rowcount:
            self._write(database, job, [note])
        return bool(done.rowcount)

    def _write(self, database: sqlite3.Connection, job: str, notes: list[Note]) -> None:
        rows: list[tuple[Any, ...]] = []
        for note in notes:
            prefix = "ftevent" if note.kind == "event" else "ftckpt"
            created = self._now() if note.created is None else note.created
            rows.append(
                (
                    f"{prefix}-{secrets.token_hex(12)}", job, note.kind, created, note.level,
                    note.message, note.step, json.dumps(dict(note.metrics)),
                )
            )  # fmt: skip
        database.executemany(
            "INSERT INTO notes (id, job, kind, created, level, message, step, metrics)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def _row(self, job: str) -> sqlite3.Row | None:
        return self._store.one("SELECT * FROM jobs WHERE id = ?", job)

    def _job(self, row: sqlite3.Row) -> Job:
        results = self._store.all(
            "SELECT file FROM uses WHERE job = ? AND result ORDER BY file", row["id"]
        )
        return Job(
            id=row["id"],
            owner=row["owner"],
            order=Order.from_json(row["ask"]),
            status=row["status"],
            created=row["created"],
            started=row["started"],
            finished=row["finished"],
            estimate=row["estimate"],
            model=row["model"],
            failure=Failure(*json.loads(row["error"])) if row["error"] else None,
            heard=row["heard"],
            tries=row["tries"],
            results=tuple(each["file"] for each in results),
        )


def _note(row: sqlite3.Row) -> Note:
    return Note(
        row["message"], row["level"], row["kind"], row["step"], json.loads(row["metrics"]),
        row["created"], row["id"],
    )  # fmt: skip
