"""Starts, watches and stops the programs under measurement."""

import contextlib
import itertools
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

#: Kernels give away those from 32768 on, so nobody gets one of these before the program that it is
#: for listens there. Every 16th, for some programs take several in a row.
_PORTS = range(10_008, 11_000, 16)
_ports = itertools.cycle(random.SystemRandom().sample(_PORTS, len(_PORTS)))


def free_port() -> int:
    """A port that nothing listens on."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a circle has no end")


@contextmanager
def started(
    command: Sequence[str], *, env: Mapping[str, str], core: int | None, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program for the block, on one core if given."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **env}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, *, seconds: float, headers: Mapping[str, str] | None = None) -> float:
    """Seconds until `url` answers 200. Raises `TimeoutError`."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if httpx.get(url, headers=headers, timeout=2).status_code == 200:
                return time.monotonic() - began
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    raise TimeoutError(f"{url} was not ready within {seconds} s")


@dataclass(frozen=True)
class Served:
    """A running `orfeon serve`. `ready` are the seconds that it took to be."""

    port: int
    pid: int
    ready: float

    @property
    def url(self) -> str:
        """Where its gateway answers."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(home: Path, *options: str, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Runs `orfeon serve` with these options in a home; its log lies beside that."""
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "orfeon"),
        "serve",
        "--port",
        str(port),
        "--grpc-port",
        "0",
        "--studio-port",
        "0",
        *options,
    ]
    env = {"ORFEON_HOME": str(home), **(env or {})}
    with started(command, env=env, core=None, log=home.parent / "serve.log") as process:
        ready = wait_for(f"http://127.0.0.1:{port}/readyz", seconds=120)
        yield Served(port, process.pid, ready)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its children."""
    root = psutil.Process(pid)
    return sum(process.memory_info().rss for process in [root, *root.children(recursive=True)])


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has taken, and those that it started."""
    root = psutil.Process(pid)
    times = [process.cpu_times() for process in [root, *root.children(recursive=True)]]
    return sum(each.user + each.system for each in times)


def process_of(serve: int, name: str) -> psutil.Process:
    """The process of `python -m <name>`, such as `services.chat`."""
    for child in psutil.Process(serve).children(recursive=True):
        if name in child.cmdline():
            return child
    raise LookupError(name)
