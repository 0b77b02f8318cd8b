"""The gateway's database: SQLite in a file, or PostgreSQL."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import make_url

#: Seconds to connect in, and for a statement of a request; libpq wants the first whole.
_CONNECT_SECONDS, _STATEMENT_SECONDS = 3, 5
#: Seconds after which a server that says nothing is gone, which has ended the statement by then.
_SILENT_SECONDS = 6.0
#: Seconds that a request waits for one of the connections.
_POOL_SECONDS = 2.0

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")


class DatabaseUnusable(Exception):
    """The database cannot be used as it is; says what to change, without a password."""


class _Connection(psycopg.Connection[Any]):
    """A connection that ends where the server is silent: frozen, or its machine is gone.

    psycopg would wait for ever, and the thread that asks with it.
    """

    patience: float | None = _SILENT_SECONDS

    def wait(self, gen: "PQGen[T]", interval: float = 0.1, timeout: float | None = None) -> T:
        """Waits for an answer. Raises `psycopg.OperationalError`."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()
            raise


def take_time(connection: sa.Connection) -> None:
    """Lets the statements of a connection to PostgreSQL take their time; nobody has it after."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, _Connection)
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    driver.patience = None
    connection.detach()


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
        return _postgresql(parsed.set(drivername="postgresql+psycopg"), connections)
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
    engine = sa.create_engine(url, connect_args={"timeout": 5})

    @sa.event.listens_for(engine, "connect")
    def _readers_beside_a_writer(connection: Any, _record: object) -> None:
        # The gateway reads while the command line writes.
        connection.execute("PRAGMA journal_mode=WAL")

    return engine


def _postgresql(url: sa.URL, connections: int) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            # A server that is gone without a word is noticed within seconds, not a quarter hour.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 1000 * _STATEMENT_SECONDS,
            # A pooler such as PgBouncer may give each transaction another connection.
            "prepare_threshold": None,
        },
    )

    @sa.event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, given: Any, options: Any) -> _Connection:
        return _Connection.connect(*given, **options)

    @sa.event.listens_for(engine, "connect")
    def _no_statement_without_end(connection: Any, _record: object) -> None:
        connection.execute(f"SET statement_timeout = '{_STATEMENT_SECONDS}s'")
        connection.commit()

    return engine
