"""What every image has to be: not root, without what installs or compiles, and able to serve.

Images run here as the chart runs them: as their user, without rights, on a root that is only read,
with room in /tmp and in the home alone. They share the network of the machine.
"""

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import grpc
import httpx
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

#: Programs that have no place in an image, and modules.
PROGRAMS = frozenset(
    {"pip", "pip3", "uv", "gcc", "cc", "g++", "c++", "ld", "as", "make", "cmake", "nvcc", "git"}
)
MODULES = frozenset({"pip", "ensurepip"})
LABELS = ("title", "description", "licenses", "version", "revision", "source")
#: Seconds until an image has to be ready: models are loaded, on a machine that does other things.
PATIENCE = 180

#: Makes the mounts of a pod below $0, then runs the rest there.
_POD = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount -t tmpfs -o mode=1777 tmp "$0/tmp"
mount -t tmpfs -o uid=65532,gid=65532 home "$0/var/lib/orfeon"
mount -o remount,bind,ro "$0"
exec "$@"
"""


class ImageRefused(Exception):
    """An image is not what it has to be; the message says what is wrong with it."""


def faults(config: Mapping[str, Any], root: Path) -> list[str]:
    """What is wrong with an image, by its OCI configuration and the folder where its files are."""
    found = []
    user = config.get("User", "")
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        found.append(f"it runs as '{user}': name a user by a number that is not 0")
    if config.get("Healthcheck"):
        found.append("it has a HEALTHCHECK, which clusters do not heed")
    labels = config.get("Labels") or {}
    found += [
        f"it has no label org.opencontainers.image.{name}"
        for name in LABELS
        if not labels.get(f"org.opencontainers.image.{name}")
    ]
    return [*found, *_left_behind(root)]


def _left_behind(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        place = Path(folder).relative_to(root)
        if place.name in ("bin", "sbin"):
            yield from (f"it holds {place / name}" for name in PROGRAMS.intersection(files))
        if place.name in ("dist-packages", "site-packages") or place.match("lib/python*"):
            yield from (f"it holds {place / name}" for name in MODULES.intersection(folders))
    settings = root / "etc" / "pip.conf"
    # Where the builder's was mounted, an empty file remains.
    if settings.is_file() and settings.stat().st_size:
        yield "it holds the builder's etc/pip.conf"


def serve(name: str, config: Mapping[str, Any], root: Path) -> None:
    """Starts the image `orfeon-<name>`, waits until it is ready and has it stop as a pod does.

    Raises `ImageRefused` where it is not ready in time, or does not end well.
    """
    port = _free_port()
    environment = dict(each.split("=", 1) for each in config["Env"])
    if name in ("gateway", "studio"):
        ready = _http(f"http://127.0.0.1:{port}/healthz")
        prefix, other = f"ORFEON_{name.upper()}", "GRPC" if name == "gateway" else "METRICS"
        environment |= {f"{prefix}_PORT": str(port), f"{prefix}_{other}_PORT": "0"}
    else:
        ready = _grpc(f"127.0.0.1:{port}")
        prefix = f"ORFEON_{name.upper()}"
        environment |= {f"{prefix}_ADDRESS": f"127.0.0.1:{port}", f"{prefix}_METRICS_PORT": "0"}
    within = ("sh", "-c", 'cd "$0" && exec "$@"', config["WorkingDir"], *config["Cmd"])
    command = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _POD, str(root)),
        *("setpriv", "--no-new-privs", "chroot", f"--userspec={config['User']}", "--groups="),
        *(str(root), *within),
    ]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, env=environment, stdout=said, stderr=said) as process,
    ):
        try:
            end = time.monotonic() + PATIENCE
            while not ready():
                if process.poll() is not None or time.monotonic() > end:
                    raise ImageRefused(f"it did not become ready: {_last_words(said)}")
                time.sleep(0.2)
            for child in psutil.Process(process.pid).children():
                child.send_signal(signal.SIGTERM)
            if process.wait(PATIENCE):
                raise ImageRefused(f"it did not end well when told to stop: {_last_words(said)}")
        finally:
            process.kill()


def _last_words(said: TextIO) -> str:
    said.seek(0)
    return said.read()[-2000:] or "it said nothing"


def _http(address: str) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            return httpx.get(address).is_success
        except httpx.TransportError:
            return False

    return ready


def _grpc(address: str) -> Callable[[], bool]:
    def ready() -> bool:
        with grpc.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            try:
                asked = stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
            except grpc.RpcError:
                return False
        return bool(asked.status == health_pb2.HealthCheckResponse.SERVING)

    return ready


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port
