"""A real Triton server: the binary of the wheel nvidia-pytriton, the Python backend, our models."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from orfeon.serve.triton import REPOSITORY, launch

START_SECONDS = 240.0
STOP_SECONDS = 30.0


class Triton:
    """A server that can be started again at the same address. `make test` installs what it needs.

    `folder` takes the socket, the backends and the log. It ends if it cannot load what is to be
    loaded at its start.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        repository: Path = REPOSITORY,
        *,
        url: str = "",
        metrics_port: int = 0,
        load: Sequence[str] = (),
    ) -> None:
        self.url = url or f"unix:{folder / 'triton.sock'}:1"
        self.log = folder / "triton.log"
        self.planned = launch(
            self.url, folder, repository, {**os.environ, **environment}, metrics_port=metrics_port
        )
        self.command = (*self.planned.command, *(f"--load-model={name}" for name in load))
        self.process: subprocess.Popen[bytes]

    def begin(self) -> None:
        """Starts the server and does not wait for it."""
        self.planned.prepare()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.planned.environment),
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def start(self) -> None:
        """Returns once the server answers; fails with its last words."""
        self.begin()
        wait_until_live(self.process, self.url, self.log)

    def kill(self) -> None:
        """Kills the server and the processes of its models outright, as a supervisor does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def discard(self) -> None:
        """Kills the server for good: what it leaves in shared memory goes too."""
        self.kill()
        self.planned.prepare()

    def stop(self) -> None:
        """Has the server end."""
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self.kill()


@contextmanager
def running_triton(
    tmp_path: Path, environment: dict[str, str], repository: Path = REPOSITORY
) -> Iterator[str]:
    """Yields the address of a server's gRPC; no model is loaded yet."""
    server = Triton(tmp_path, environment, repository)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def wait_until_live(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    """Returns once the server answers; fails with its last words."""
    deadline = time.monotonic() + START_SECONDS
    with InferenceServerClient(url) as client:
        while time.monotonic() < deadline and server.poll() is None:
            try:
                if client.is_server_live(client_timeout=1.0):
                    return
            except InferenceServerException:
                time.sleep(0.1)
    pytest.fail(f"Triton did not start:\n{log.read_text('utf-8', 'replace')[-3000:]}")
