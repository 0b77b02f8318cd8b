"""Everything that `orfeon serve` does around the supervisor: port, sockets, key, signals."""

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from rich.console import Console

from orfeon.access import Access, read_access, write_access
from orfeon.fault import Fault
from orfeon.serve.board import board_for
from orfeon.serve.plan import Choices, children, socket_fits
from orfeon.supervisor import Supervisor


class Keys(Protocol):
    """What is needed of the gateway's key store."""

    def has_live(self) -> bool:
        """Whether anybody can get in."""

    def is_live(self, secret: str) -> bool:
        """Whether this key gets in."""

    def create(self, name: str) -> str:
        """Makes a key; returns its secret."""


def free_port(host: str, port: int, option: str = "--port") -> int:
    """`port` if the gateway can listen there, any free one for 0.

    Raises `Fault`, which says by which `option` another is chosen.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        raise Fault(_why_not(host, port, option, error)) from error


def first_key(keys: Keys, noted: str | None) -> tuple[str | None, bool]:
    """A key for this machine's own commands, and whether it was made now.

    None where there are keys, but the note of the first one is gone or it has been revoked.
    """
    if noted and keys.is_live(noted):
        return noted, False
    if keys.has_live():
        return None, False
    return keys.create("first key"), True


@contextlib.contextmanager
def run_folder(choices: Choices, environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder for sockets that only this user can enter; gone afterwards. Raises `Fault`."""
    for parent in (environment.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        if not parent or not os.access(parent, os.W_OK):
            continue
        folder = Path(tempfile.mkdtemp(prefix="orfeon-", dir=parent))
        try:
            if socket_fits(folder, choices.capabilities):
                yield folder
                return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise Fault("There is no folder for sockets with a short enough path; set TMPDIR to one.")


async def serve(
    choices: Choices,
    keys: Keys,
    console: Console,
    environment: Mapping[str, str],
    *,
    verbose: bool = False,
) -> None:
    """Serves until SIGINT, SIGTERM or SIGHUP; a second one kills. Raises `Fault`."""
    began = time.monotonic()
    secret, fresh = first_key(keys, read_access(choices.home).api_key)
    write_access(choices.home, Access(f"{choices.url}/v1", secret, choices.studio or None))
    board = board_for(console)
    with run_folder(choices, environment) as folder:
        supervisor = Supervisor(
            children(choices, folder, len(os.sched_getaffinity(0)), environment),
            choices.home / "logs",
            report=board.changed,
            echo=_echo(console) if verbose else None,
            grace=choices.drain_seconds + 3,
        )
        stopping = _stop_on_signals(supervisor)
        board.begin(supervisor.children)
        running = asyncio.create_task(supervisor.run(stopping))
        greeting = asyncio.create_task(supervisor.ready())
        try:
            await asyncio.wait([running, greeting], return_when=asyncio.FIRST_COMPLETED)
            board.end()
            if greeting.done():
                _greet(console, choices, secret if fresh else None, time.monotonic() - began)
            await running
        finally:
            greeting.cancel()
            board.end()


def _stop_on_signals(supervisor: Supervisor) -> asyncio.Event:
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            supervisor.kill()
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return stopping


def _greet(console: Console, choices: Choices, secret: str | None, seconds: float) -> None:
    lines = [f"Orfeón is ready at {choices.url}/v1 after {seconds:.1f} s."]
    if choices.grpc:
        lines.append(f"gRPC listens at {choices.grpc}.")
    if choices.studio:
        lines.append(f"Studio, the web app: {choices.studio}/studio/ (sign in with an API key)")
    if secret is not None:
        lines.append(f"API key: {secret}")
        lines.append("It is shown only this once; 'orfeon keys create' makes others.")
    lines.append("Ctrl-C stops everything.")
    say(console, "\n".join(lines))


def _echo(console: Console) -> Callable[[str, str], None]:
    return lambda name, line: say(console, f"{name} | {line}")


def say(console: Console, text: str) -> None:
    """Prints text as it is: nothing in it is markup, and it is not wrapped."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _why_not(host: str, port: int, option: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is already in use on {host}; choose another with {option}."
    if error.errno == errno.EACCES:
        return f"Port {port} is not for ordinary users; choose one above 1023 with {option}."
    return f"{host} is no address of this machine; choose another with --host."
