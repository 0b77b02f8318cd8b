"""Processes of the web app, as pods run them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.fakes.ports import free_port

#: Seconds until one has to be well, on a machine that does other things.
_PATIENCE = 240


@dataclass
class Studio:
    """A running web app. Its files lie below `folder`, which several may share."""

    url: str
    metrics: str
    process: "subprocess.Popen[str]"
    folder: Path
    log: Path

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    def left(self) -> list[Path]:
        """What lies there."""
        return list(self.folder.iterdir())


@contextmanager
def studio(home: Path, gateway: str = "http://127.0.0.1:9", **settings: str) -> Iterator[Studio]:
    """Runs one, before a gateway that is not there unless one is named."""
    port, metrics_port = free_port(), free_port()
    folder, log = home / "scratch", home / f"studio-{port}.log"
    folder.mkdir(exist_ok=True)
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.studio"],
            env={
                "PATH": "/usr/bin:/bin",
                "TMPDIR": str(folder),
                "ORFEON_STUDIO_HOST": "127.0.0.1",
                "ORFEON_STUDIO_PORT": str(port),
                "ORFEON_STUDIO_METRICS_HOST": "127.0.0.1",
                "ORFEON_STUDIO_METRICS_PORT": str(metrics_port),
                "ORFEON_STUDIO_GATEWAY_URL": gateway,
                "ORFEON_STUDIO_DRAIN_SECONDS": "120",
                **settings,
            },
            stdout=said,
            stderr=said,
            text=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + _PATIENCE
        while not _answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield Studio(url, f"http://127.0.0.1:{metrics_port}", process, folder, log)
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
