"""The gateway's database: SQLite in a file, or PostgreSQL."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

#: Seconds for which what another process writes to a file is waited for.
_BUSY_SECONDS = 5.0


class DatabaseUnusable(Exception):
    """The database cannot be used as it is; says what to change, without a password."""


def open_database(url: str, connections: int = 5) -> sa.Engine:
    """An engine, which connects when it is first used.

    It has at most so many `connections`. `postgresql://` means psycopg. Raises `DatabaseUnusable`.
    """
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise DatabaseUnusable(
            "The database's URL cannot be read; write it like sqlite:////folder/orfeon.db or "
            "postgresql://user:password@host:5432/orfeon, and %40 for an @ in the password."
        ) from None
    kind = parsed.drivername.partition("+")[0]
    if kind == "sqlite":
        return _sqlite(parsed)
    if kind in ("postgresql", "postgres"):
        # Who keeps keys in SQLite need not have psycopg in memory.
        from gateway.postgresql import postgresql_engine

        return postgresql_engine(parsed.set(drivername="postgresql+psycopg"), connections)
    raise DatabaseUnusable(
        f"{kind} is no database that keys can be kept in; give a URL of sqlite or postgresql."
    )


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        folder = Path(url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnusable(
                f"The folder {folder} of the database cannot be made: {error.strerror}."
            ) from error
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _readers_beside_a_writer(connection: Any, _record: object) -> None:
        # The gateway reads while the command line writes.
        _write_ahead(connection)

    return engine


def _write_ahead(connection: Any) -> None:
    # For this SQLite does not wait by itself while another writes, such as one who starts too.
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until:
                raise
            time.sleep(0.01)
