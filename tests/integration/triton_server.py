"""A real Triton server: the binary of the wheel nvidia-pytriton, the Python backend, our models."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from orfeon.serve.triton import REPOSITORY, launch

START_SECONDS = 60.0
STOP_SECONDS = 30.0


@contextmanager
def running_triton(
    tmp_path: Path, environment: dict[str, str], repository: Path = REPOSITORY
) -> Iterator[str]:
    """Yields the address of the server's gRPC; no model is loaded yet.

    `make test` installs what it needs. `tmp_path` takes the socket, the backends and the log.
    """
    url = f"unix:{tmp_path / 'triton.sock'}:1"
    planned = launch(url, tmp_path, repository, {**os.environ, **environment})
    planned.prepare()
    log = tmp_path / "triton.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            planned.command,
            env=dict(planned.environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_live(server, url, log)
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


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
