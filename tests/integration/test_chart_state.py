"""What the chart starts for its databases, started here: the real migrations, a real Redis."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from gateway.database import DatabaseUnusable, open_database
from gateway.migrations import prepare
from tests.contract.chart import container, environment, of_kind
from tests.fakes.ports import free_port
from tests.integration.state_servers import database, postgres, program, until

__all__ = ["database", "postgres"]

PASSWORD = "pa ssw$rd"


def test_the_job_makes_the_tables_that_the_gateway_looks_for(database: str, tmp_path: Path) -> None:
    values = {"gateway": {"database": {"secretName": "db"}}}
    job = of_kind(values, "Job")["migrations"]
    _, *arguments = container(job)["command"]
    places = {"ORFEON_GATEWAY_DATABASE_URL": database, "ORFEON_HOME": str(tmp_path)}
    migrate = environment(of_kind(values, "Deployment")["gateway"])["ORFEON_GATEWAY_MIGRATE"]
    assert migrate == "check"
    engine = open_database(database)
    try:
        with pytest.raises(DatabaseUnusable):
            prepare(engine, "check")
        for _ in range(2):
            subprocess.run(
                [sys.executable, *arguments],
                env=os.environ | environment(job) | places,
                check=True,
                timeout=60,
            )
        prepare(engine, "check")
    finally:
        engine.dispose()


@pytest.fixture
def bundled(tmp_path: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The port and the process of the chart's Redis, by the very words of its container."""
    found = container(of_kind({"redis": {"bundled": True}}, "StatefulSet")["redis"])
    (script,) = found["args"]
    port = free_port()
    script = script.replace("exec redis-server", f"exec {program('redis-server', 'redis-server')}")
    script = script.replace("dir /tmp", f"dir {tmp_path}\nport {port}\nbind 127.0.0.1")
    process = psutil.Popen(
        [*found["command"], script],
        env=os.environ | {"REDIS_PASSWORD": PASSWORD},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield port, process
    finally:
        process.terminate()
        process.wait(10)


def test_the_chart_s_redis_wants_its_password_and_shows_it_nowhere(
    bundled: tuple[int, psutil.Process], tmp_path: Path
) -> None:
    port, process = bundled

    def answers() -> bool:
        with redis.Redis(port=port, password=PASSWORD, socket_timeout=5) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    until(answers)
    with (
        redis.Redis(port=port, socket_timeout=5) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    assert not [word for word in process.cmdline() if PASSWORD in word]
    with redis.Redis(port=port, password=PASSWORD, socket_timeout=5) as client:
        client.set("a", 1)
        assert client.config_get("save") == {"save": ""}
    assert list(tmp_path.iterdir()) == []
