import hashlib
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway import migrations
from gateway.database import DatabaseUnusable, open_database
from gateway.keystore import KeyStore
from gateway.tables import METADATA

#: What the gateway made before there were migrations.
OLD_SECRET = "sk-orf-abcdefgh"
OLD = f"""
CREATE TABLE api_keys (
    id VARCHAR(32) NOT NULL, name VARCHAR(200) NOT NULL, prefix VARCHAR(32) NOT NULL,
    secret_sha256 VARCHAR(64) NOT NULL, priority_floor INTEGER NOT NULL,
    scopes VARCHAR(200) NOT NULL, created FLOAT NOT NULL, expires FLOAT, revoked FLOAT,
    requests_per_minute INTEGER, tokens_per_minute INTEGER,
    PRIMARY KEY (id), UNIQUE (secret_sha256)
);
INSERT INTO api_keys VALUES (
    'key_old', 'old', 'sk-orf-abcd',
    '{hashlib.sha256(OLD_SECRET.encode()).hexdigest()}',
    1, 'chat speech', 1000.0, NULL, NULL, 7, NULL
);
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orfeon.db"


def changed(path: Path, *statements: str) -> str:
    """The URL of a database after these statements."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.executescript(statement)
    connection.close()
    return f"sqlite:///{path}"


def test_the_last_step_is_the_head() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert scripts.get_heads() == [migrations.HEAD]


def test_the_steps_make_the_tables_that_queries_know(path: Path) -> None:
    engine = open_database(f"sqlite:///{path}")
    migrations.prepare(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_a_database_of_before_is_adopted_with_its_keys(path: Path) -> None:
    store = KeyStore(changed(path, OLD))
    old = store.authenticate(OLD_SECRET)
    assert old is not None
    assert (old.id, old.priority_floor, old.requests_per_minute) == ("key_old", 1, 7)
    assert old.scopes == {"chat", "speech"}
    assert migrations.current(store.database) == migrations.HEAD
    store.close()


def test_a_database_at_the_first_step_takes_the_others(path: Path) -> None:
    url = changed(
        path,
        OLD,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);"
        "INSERT INTO alembic_version VALUES ('0001');",
    )
    store = KeyStore(url)
    assert sa.inspect(store.database).has_table("usage")
    assert len(store.list()) == 1
    store.close()


@pytest.mark.parametrize("migrate", ["auto", "check"])
def test_a_schema_of_a_later_version_is_told_and_left_alone(
    path: Path, migrate: migrations.Migrate
) -> None:
    KeyStore(f"sqlite:///{path}").close()
    url = changed(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseUnusable, match="9999, with which this version"):
        KeyStore(url, migrate=migrate)


@pytest.mark.parametrize("migrate", ["auto", "check"])
def test_a_gateway_that_was_rolled_back_goes_on_with_what_was_added(
    path: Path, migrate: migrations.Migrate, caplog: pytest.LogCaptureFixture
) -> None:
    KeyStore(f"sqlite:///{path}").close()
    later = f"{migrations.HEAD[0]}999"
    url = changed(
        path,
        f"UPDATE alembic_version SET version_num = '{later}';"
        "ALTER TABLE api_keys ADD COLUMN colour VARCHAR(8)",
    )
    store = KeyStore(url, migrate=migrate)
    _, secret = store.create("after the rollback")
    assert store.authenticate(secret) is not None
    assert migrations.current(store.database) == later
    assert "later version" in caplog.text
    store.close()


def test_what_breaks_a_step_leaves_the_schema_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(changed(path, "CREATE VIEW usage AS SELECT 1"))
    with pytest.raises(DatabaseUnusable, match="usage"):
        migrations.prepare(engine)
    assert migrations.current(engine) is None
    assert not sa.inspect(engine).has_table("api_keys")
    engine.dispose()


def test_who_starts_waits_for_who_writes_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sqlite3.connect(path, isolation_level=None)
    first.execute("CREATE TABLE of_the_first (id INTEGER)")
    # So SQLite gives up on the write-ahead log at once, whatever its time limit.
    first.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(time, "sleep", lambda seconds: first.rollback())
    store = KeyStore(f"sqlite:///{path}")
    assert migrations.current(store.database) == migrations.HEAD
    store.close()
    first.close()


def test_who_writes_for_too_long_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sqlite3.connect(path, isolation_level=None)
    first.execute("CREATE TABLE of_the_first (id INTEGER)")
    first.execute("BEGIN IMMEDIATE")
    seconds = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(time, "sleep", lambda _: seconds.append(seconds.pop() + 1))
    with pytest.raises(DatabaseUnusable, match="database is locked"):
        KeyStore(f"sqlite:///{path}")
    first.close()


def test_several_that_start_at_once_make_one_schema(path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: KeyStore(f"sqlite:///{path}"), range(4)))
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [
            (migrations.HEAD,)
        ]
    connection.close()
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://user:hidden@host/x", "mysql is no database"),
        ("postgresql://user:hidden@127.0.0.1:1/x", "Check that it runs"),
        ("postgresql://user@127.0.0.1:1/x?password=hidden", "Check that it runs"),
        ("postgresql://user:p@host:hidden/x", "cannot be read"),
        ("sqlite:////proc/none/x.db", "proc"),
    ],
)
def test_a_database_that_cannot_be_used_is_told(url: str, sentence: str) -> None:
    with pytest.raises(DatabaseUnusable, match=sentence) as caught:
        KeyStore(url)
    assert "hidden" not in str(caught.value)
