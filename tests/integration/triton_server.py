"""A real Triton server: the binary of the wheel nvidia-pytriton, the Python backend, our models."""

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = ROOT / "triton-repo"
ENDPOINTS = ("grpc", "http", "metrics")
START_SECONDS = 60.0
STOP_SECONDS = 30.0


@contextmanager
def running_triton(
    tmp_path: Path, environment: dict[str, str], repository: Path = REPOSITORY
) -> Iterator[str]:
    """Yields `host:port` of the server's gRPC; no model is loaded yet.

    `make test` installs what it needs. `tmp_path` takes the backend and the log.
    """
    # The wheel's Python backend is of before NumPy 2, whose arrays it takes for empty.
    old_numpy = Path(sys.prefix) / "triton"
    assert old_numpy.is_dir(), "`make test` puts NumPy 1 there"
    site = Path(str(importlib.metadata.distribution("nvidia-pytriton").locate_file("")))
    triton = site / "pytriton" / "tritonserver"
    ports = free_ports(len(ENDPOINTS))
    command = [
        str(triton / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={backends(triton, tmp_path)}",
        # Each server of this machine needs shared memory of its own name.
        f"--backend-config=python,shm-region-prefix-name=orfeon{os.getpid()}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        "--exit-on-error=true",
        *(f"--{name}-address=127.0.0.1" for name in ENDPOINTS),
        *(f"--{name}-port={port}" for name, port in zip(ENDPOINTS, ports, strict=True)),
    ]
    libraries = [str(site / "nvidia_pytriton.libs"), str(sysconfig.get_config_var("LIBDIR"))]
    env = os.environ | {
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "PATH": f"{environment_of(old_numpy, tmp_path)}{os.pathsep}{os.environ['PATH']}",
        **environment,
    }
    log = tmp_path / "triton.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until_live(server, f"127.0.0.1:{ports[0]}", log)
        yield f"127.0.0.1:{ports[0]}"
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def backends(triton: Path, tmp_path: Path) -> Path:
    """A backend folder whose Python is this one."""
    folder = tmp_path / "backends" / "python"
    folder.mkdir(parents=True)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for path in (
        *(triton / "backends" / "python").iterdir(),
        triton / "python_backend_stubs" / version / "triton_python_backend_stub",
    ):
        (folder / path.name).symlink_to(path)
    return folder.parent


def environment_of(old_numpy: Path, tmp_path: Path) -> Path:
    """The programs of a virtual environment that holds the old NumPy, our code and our libraries.

    The wheel's Python backend heeds no PYTHONPATH, but takes the environment of the `python3` that
    it finds first.
    """
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    paths = (old_numpy, ROOT, sysconfig.get_path("purelib"))
    (packages / "orfeon.pth").write_text("\n".join(map(str, paths)))
    return folder / "bin"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


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
