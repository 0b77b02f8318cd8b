"""Gateways that share a real PostgreSQL, and what they do without it."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from gateway import migrations
from gateway.database import DatabaseUnusable, open_database
from gateway.keystore import KeyStore
from gateway.usage import Amounts, UsageBook
from orfeon.cli.app import app
from services.runtime.errors import ServiceUnavailable
from tests.fakes.gateway import BODY, CHAT, error_of, eventually, running, settings_for
from tests.fakes.script import Script
from tests.fakes.upstreams import serving as serving_services
from tests.integration.gateways import serving
from tests.integration.state_servers import Postgres, database, postgres, until

__all__ = ["database", "postgres"]


async def test_two_gateways_that_start_together_share_schema_keys_and_usage(
    tmp_path: Path, database: str
) -> None:
    address = f"unix:{tmp_path}/services.sock"
    async with (
        serving_services(address, Script()),
        serving(tmp_path, address, "one", "other", database_url=database) as gateways,
    ):
        made = CliRunner().invoke(
            app, ["keys", "create", "shared", "--home", str(tmp_path), "--database-url", database]
        )
        assert made.exit_code == 0, made.output
        secret = made.stdout.split()[0]
        for gateway in gateways:
            async with gateway.client(secret) as client:
                assert (await client.post(CHAT, json=BODY)).status_code == 200
        async with gateways[0].client(secret) as client:

            async def all_counted() -> bool:
                # One for each day, if one ends meanwhile.
                rows = (await client.get("/v1/usage")).json()["data"]
                assert {row["capability"] for row in rows} <= {"chat"}
                counted: int = sum(row["requests"] for row in rows)
                return counted == 2

            await eventually(all_counted, seconds=30)
    store = KeyStore(database, migrate="check")
    (key,) = store.list()
    with store.database.connect() as connection:
        rows = connection.exec_driver_sql("SELECT version_num FROM alembic_version").fetchall()
    assert (key.name, [tuple(row) for row in rows]) == ("shared", [(migrations.HEAD,)])
    store.close()


def test_who_migrates_waits_for_who_does(database: str, postgres: Postgres) -> None:
    first, second = open_database(database), open_database(database)
    with first.begin() as holding:
        holding.exec_driver_sql(f"SELECT pg_advisory_xact_lock({migrations.LOCK})")
        waiting = threading.Thread(target=migrations.prepare, args=(second,))
        waiting.start()
        until(
            lambda: (
                holding.exec_driver_sql(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                ).scalar()
                == 1
            )
        )
        assert migrations.current(first) is None
    waiting.join(30)
    assert migrations.current(first) == migrations.HEAD
    first.dispose()
    second.dispose()


def migrate(database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway.migrations", *arguments],
        env={**os.environ, "ORFEON_GATEWAY_DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_schema_that_is_behind_is_brought_up_to_date_by_command(database: str) -> None:
    with pytest.raises(DatabaseUnusable, match=r"python -m gateway\.migrations upgrade"):
        KeyStore(database, migrate="check")
    refused = CliRunner().invoke(app, ["keys", "list", "--database-url", database])
    assert refused.exit_code == 1
    assert "needs" in refused.stderr
    assert migrate(database, "current").stdout == f"nothing, of {migrations.HEAD}\n"
    for _ in range(2):
        done = migrate(database)
        assert (done.returncode, done.stdout) == (0, f"{migrations.HEAD}, of {migrations.HEAD}\n")
    store = KeyStore(database, migrate="check")
    with store.database.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    later = migrate(database)
    assert later.returncode == 1
    assert "Start a later version" in later.stderr
    assert "Traceback" not in later.stderr


@pytest.mark.parametrize(
    ("name", "address", "said"),
    [
        ("DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/x", "Check that it runs"),
        ("RATE_LIMIT_STORAGE", "reddis://:hidden@127.0.0.1:1/0", "is memory:// or"),
        ("RATE_LIMIT_STORAGE", "redis://:hidden@127.0.0.1:port/0", "Port could not"),
        ("RATE_LIMIT_STORAGE", "redis://:hidden@127.0.0.1:1/0?speed=1", "take it out"),
        ("REQUESTS_PER_MINUTE", "none", "ORFEON_GATEWAY_REQUESTS_PER_MINUTE: "),
    ],
)
def test_a_gateway_that_cannot_start_says_why_and_ends(
    tmp_path: Path, name: str, address: str, said: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gateway"],
        env={**os.environ, "ORFEON_HOME": str(tmp_path), f"ORFEON_GATEWAY_{name}": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hidden" not in ended.stderr


async def test_while_postgresql_is_away_known_keys_work_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    (tmp_path / "server").mkdir()
    server = Postgres(tmp_path / "server")
    server.start()
    address = f"unix:{tmp_path}/services.sock"
    keys = KeyStore(server.url, cache_seconds=0.2)
    key, known = keys.create("known")
    ended, revoked = keys.create("revoked")
    _, unknown = keys.create("not seen yet")

    async def status(secret: str) -> int:
        answer = await client.post(CHAT, json=BODY, headers={"x-api-key": secret})
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
            assert "try again shortly" in str(error_of(answer)["message"])
        return answer.status_code

    async with (
        serving_services(address, Script()),
        running(settings_for(tmp_path, address), keys) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        assert [await status(secret) for secret in (known, revoked)] == [200, 200]
        keys.revoke(ended.id)
        await asyncio.to_thread(server.kill)
        for _ in range(3):
            assert await status(known) == 200
            assert await status(revoked) == 401
            assert await status(unknown) == 503
            assert await status("sk-orf-wrong") == 503
            # What is remembered must have grown old.
            await asyncio.sleep(0.3)
        assert "orfeon_gateway_database_up 0.0" in (await client.get("/metrics")).text
        await asyncio.to_thread(server.start)

        async def back() -> bool:
            return await status(unknown) == 200

        await eventually(back, seconds=30)
        assert await status(revoked) == 401
        assert "orfeon_gateway_database_up 1.0" in (await client.get("/metrics")).text
        answer = await client.get("/v1/usage", headers={"x-api-key": known})
        (row,) = answer.json()["data"]
        assert (row["key_id"], row["requests"]) == (key.id, 4)
    keys.close()
    server.stop()


async def test_a_postgresql_that_is_silent_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    server = Postgres(tmp_path / "server")
    server.start()
    keys = KeyStore(server.url, connections=1, cache_seconds=0)
    _, known = keys.create("known")
    _, unknown = keys.create("not seen yet")

    async def status(path: str, secret: str = known) -> int:
        answer = await client.get(path, headers={"x-api-key": secret})
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
        return answer.status_code

    try:
        async with (
            running(settings_for(tmp_path), keys) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):
            assert await status("/v1/usage") == 200
            server.freeze()
            statuses = await asyncio.gather(
                *(status("/v1/queue") for _ in range(20)), *(status("/v1/usage") for _ in range(20))
            )
            assert statuses == [200] * 20 + [503] * 20
            assert await status("/v1/queue", unknown) == 503

            async def given_up() -> bool:
                return "Checked out connections: 0" in keys.database.pool.status()

            # Although nothing has come: another server may have taken over.
            await eventually(given_up, seconds=30)
            server.thaw()

            async def back() -> bool:
                return await status("/v1/queue", unknown) == 200

            await eventually(back)
            assert await status("/v1/usage") == 200
    finally:
        server.thaw()
        keys.close()
        server.stop()


async def test_a_gateway_with_all_connections_in_use_says_so(tmp_path: Path, database: str) -> None:
    keys = KeyStore(database, connections=1)
    _, secret = keys.create("any")
    settings = settings_for(tmp_path)
    async with (
        running(settings, keys) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        with keys.database.connect():
            asked = (
                client.get("/v1/queue", headers={"x-api-key": f"{secret}{n}"}) for n in range(20)
            )
            statuses = Counter(answer.status_code for answer in await asyncio.gather(*asked))
            assert statuses == {503: 20}

        async def free_again() -> bool:
            answer = await client.get("/v1/queue", headers={"x-api-key": secret})
            return answer.status_code == 200

        await eventually(free_again)
    keys.close()


async def test_usage_of_two_gateways_adds_up_under_contention(database: str) -> None:
    engines = [open_database(database) for _ in range(2)]
    migrations.prepare(engines[0])
    # It is one day for all of it.
    books = [UsageBook(engine, now=lambda: 1_790_000_000.0) for engine in engines]
    for turn in range(20):
        for book in books:
            for key in range(50):
                book.add(f"key_{(key * 7 + turn) % 50}", "chat", Amounts(1, 2, 0.5))
        await asyncio.gather(*(book.flush() for book in books))
    rows = await books[0].read(None, 2, 1000)
    assert sum(row.amounts.requests for row in rows) == 2_000
    assert {row.amounts.tokens for row in rows} == {80}
    for engine in engines:
        engine.dispose()


def test_a_server_with_too_many_clients_is_no_fault_of_ours(tmp_path: Path) -> None:
    server = Postgres(tmp_path, max_connections=4)
    server.start()
    keys = KeyStore(server.url)
    _, secret = keys.create("any")
    keys.database.dispose()
    others = open_database(server.url)
    # Three are kept for the superuser, who is the one that asks here: all four are taken.
    held: list[sa.Connection] = []

    def are_taken() -> bool:
        # What has been let go has not ended yet.
        with contextlib.suppress(sa.exc.OperationalError):
            held.append(others.connect())
        return len(held) == 4

    until(are_taken)
    with pytest.raises(ServiceUnavailable):
        keys.authenticate(secret)
    for connection in held:
        connection.close()
    others.dispose()
    keys.close()
    server.stop()
