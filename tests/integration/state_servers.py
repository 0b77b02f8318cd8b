"""Real PostgreSQL and Redis on free ports, which can be killed and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from tests.fakes.ports import free_port

#: Who they run as where the tests are root, which PostgreSQL refuses to be.
_USER = "nobody"


def program(name: str, package: str) -> str:
    """Where a program is. Fails the test that needs it where it is not installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", *map(str, versions)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.fail(f"{name} is not installed: apt-get install {package}")
    return found


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Waits until it holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it has not come about in time"
        time.sleep(0.05)


class Server:
    """A server in a folder of its own: `start`, `kill`, `start` again on the same port and data."""

    def __init__(self, folder: Path, command: list[str], answers: Callable[[], bool]) -> None:
        self._folder = folder
        self._command = command
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, stdout=log, stderr=log, user=_user()
            )
        until(self._answers, 120)

    def kill(self) -> None:
        """At once, without a word to anybody."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """For good. PostgreSQL takes SIGINT for a fast shutdown, Redis for one like any other."""
        self._signal(signal.SIGINT)

    def freeze(self) -> None:
        """It takes connections but answers nothing, until `thaw`."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Ends `freeze`."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None, "start comes first"
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


class Postgres(Server):
    """PostgreSQL, whose one superuser needs no password. `url` names its database."""

    def __init__(self, folder: Path, max_connections: int = 40) -> None:
        port = free_port()
        data = folder / "data"
        self.url = f"postgresql://orfeon@127.0.0.1:{port}/postgres"
        _own(folder)
        subprocess.run(
            [program("initdb", "postgresql"), "--pgdata", str(data), "--username", "orfeon",
             "--auth", "trust", "--encoding", "UTF8", "--no-sync"],
            check=True, cwd=folder, user=_user(), stdout=subprocess.DEVNULL,
        )  # fmt: skip
        options = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "max_connections": max_connections,
            "shared_buffers": "16MB",
            "fsync": "off",
        }
        command = [program("postgres", "postgresql"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        super().__init__(folder, command, self._answering)

    def _answering(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """The rows of a statement, if it gives any, on a connection of its own."""
        with psycopg.connect(self.url, connect_timeout=5, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """With all that it has started, which would otherwise hold on to its memory."""
        assert self._process is not None, "start comes first"
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)
        self._process = None


class Redis(Server):
    """Redis, that keeps nothing on the disk."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        _own(folder)
        command = [
            program("redis-server", "redis-server"), "--bind", "127.0.0.1", "--port", str(port),
            "--save", "", "--appendonly", "no", "--dir", str(folder),
        ]  # fmt: skip
        super().__init__(folder, command, self._answering)

    def _answering(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            try:
                return bool(client.ping())
            except (redis.ConnectionError, redis.TimeoutError):
                return False


@contextmanager
def _running(server: "Postgres | Redis") -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.stop()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL for the tests of one module; each takes a `database` of its own."""
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    with _running(server):
        yield server


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    postgres.execute(f"CREATE DATABASE {name}")
    return postgres.url.removesuffix("postgres") + name


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis for the tests of one module."""
    server = Redis(tmp_path_factory.mktemp("redis"))
    with _running(server):
        yield server


def _user() -> str | None:
    return _USER if os.geteuid() == 0 else None


def _own(folder: Path) -> None:
    """Gives a folder of pytest's, and the way to it, to the user that the servers run as."""
    if (name := _user()) is None:
        return
    user = pwd.getpwnam(name)
    os.chown(folder, user.pw_uid, user.pw_gid)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and parent not in (Path("/"), Path("/tmp")):
            parent.chmod(parent.stat().st_mode | 0o011)
