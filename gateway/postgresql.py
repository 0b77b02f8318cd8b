"""The gateway's database in PostgreSQL, by psycopg."""

from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus

#: Seconds to connect in, and for a statement of a request; libpq wants the first whole.
_CONNECT_SECONDS, _STATEMENT_SECONDS = 3, 5
#: Seconds after which a server that says nothing is gone, which has ended the statement by then.
_SILENT_SECONDS = 6.0
#: Seconds that a request waits for one of the connections.
_POOL_SECONDS = 2.0

if TYPE_CHECKING:
    from psycopg.abc import PQGen

T = TypeVar("T")


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


def postgresql_engine(url: sa.URL, connections: int) -> sa.Engine:
    """An engine with at most so many `connections`, which connects when it is first used."""
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
