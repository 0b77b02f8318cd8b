"""The schema of the gateway's database, step by step, by Alembic.

Steps only add: a gateway of a version before, which still runs while pods are replaced or starts
after a rollback, must get on with the schema of this one. A step that takes something away has
another first digit, and no gateway of a version before starts on its schema.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from gateway.database import DatabaseUnusable

log = logging.getLogger(__name__)

#: `auto` brings the schema up to date, `check` only looks whether it is.
Migrate = Literal["auto", "check"]

#: The last of `versions/`, so that a start need not read them when nothing is to be done.
HEAD = "0002"
#: Names the advisory lock; any number that nobody else in the database uses.
LOCK = 0x0F0E0_0001
#: Seconds to wait for somebody else who migrates.
_LOCK_SECONDS = 60


def prepare(engine: sa.Engine, migrate: Migrate = "auto") -> None:
    """Sees to it that the schema is one that this version can use.

    SQLite's is always brought up to date, since nobody else would. Raises `DatabaseUnusable`.
    """
    found = current(engine)
    if _suffices(found):
        return
    if migrate == "auto" or engine.dialect.name == "sqlite":
        upgrade(engine)
        return
    raise DatabaseUnusable(
        f"The schema of {_where(engine)} is at {found or 'nothing'}, and this version needs "
        f"{HEAD}: run `python -m gateway.migrations upgrade`, or set ORFEON_GATEWAY_MIGRATE=auto."
    )


def current(engine: sa.Engine) -> str | None:
    """The schema's version; None where there is none yet. Raises `DatabaseUnusable`."""
    with _using(engine) as connection:
        return _version(connection)


def upgrade(engine: sa.Engine) -> None:
    """Brings the schema up to date, once, however many processes try at the same time.

    All steps are one transaction. Raises `DatabaseUnusable`.
    """
    with _using(engine) as connection:
        if connection.dialect.name == "sqlite":
            # The driver begins no transaction for what changes a schema.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            from gateway.postgresql import take_time

            take_time(connection)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        if not _suffices(_version(connection)):
            _run(connection)
        connection.commit()


def _run(connection: sa.Connection) -> None:
    # Reading it takes longer than most starts.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


def _suffices(version: str | None) -> bool:
    """Whether nothing is to be added. Raises `DatabaseUnusable` for what a later version took."""
    if version is None or version < HEAD:
        return False
    if version[0] != HEAD[0]:
        raise DatabaseUnusable(
            f"The database's schema is at {version}, with which this version of Orfeón, which "
            f"knows {HEAD}, cannot go on. Start a later version, or restore the backup from before."
        )
    if version != HEAD:
        log.warning("schema of a later version", extra={"found": version, "known": HEAD})
    return True


@contextmanager
def _using(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise DatabaseUnusable(
            f"The database {_where(engine)} cannot be used: {' '.join(str(cause).split())}. Check "
            "that it runs, and the URL, user and password that it is reached with."
        ) from error


def _where(engine: sa.Engine) -> str:
    # Its query may hold a password too.
    return engine.url.set(query={}).render_as_string()
