"""The process of the web app: what it tells operators, and how it ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from orfeon.serve.run import free_port


@dataclass
class Running:
    """A web app whose gateway is not there, and where its files lie."""

    url: str
    metrics: str
    process: "subprocess.Popen[str]"
    folder: Path

    def left(self) -> list[Path]:
        """What is in the folder for temporary files."""
        return list(self.folder.iterdir())


@contextmanager
def started(folder: Path) -> Iterator[Running]:
    port, metrics_port = free_port("127.0.0.1", 0), free_port("127.0.0.1", 0)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "services.studio"],
        env={
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(folder),
            "ORFEON_STUDIO_HOST": "127.0.0.1",
            "ORFEON_STUDIO_PORT": str(port),
            "ORFEON_STUDIO_METRICS_HOST": "127.0.0.1",
            "ORFEON_STUDIO_METRICS_PORT": str(metrics_port),
            "ORFEON_STUDIO_GATEWAY_URL": "http://127.0.0.1:9",
            "ORFEON_STUDIO_DRAIN_SECONDS": "120",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 120
        while not _answers(url):
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < end
            time.sleep(0.1)
        yield Running(url, f"http://127.0.0.1:{metrics_port}", process, folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with started(tmp_path) as running:
        yield running


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_it_is_well_and_says_that_the_gateway_is_away(running: Running) -> None:
    ready = httpx.get(f"{running.url}/readyz")
    assert (ready.status_code, ready.text) == (503, "the gateway is away")

    page = httpx.post(f"{running.url}/studio/sign-in", data={"key": "sk-orf-1"})
    assert page.status_code == 503
    assert "<form" in page.text


def test_metrics_have_a_port_of_their_own(running: Running) -> None:
    httpx.get(f"{running.url}/studio/en/song", headers={"accept": "text/html"})

    told = httpx.get(f"{running.metrics}/metrics").text
    assert 'orfeon_studio_pages_total{page="song",status="303"} 1.0' in told
    assert "orfeon_studio_sessions 0.0" in told
    assert httpx.get(f"{running.url}/metrics").status_code == 401


def test_it_ends_at_once_when_nothing_runs_and_leaves_no_file(running: Running) -> None:
    assert running.left()
    began = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    code = running.process.wait(90)
    assert time.monotonic() - began < 60
    assert running.process.stdout is not None
    said = running.process.stdout.read()

    assert code == 0, said
    assert "Traceback" not in said
    assert running.left() == []


def test_what_one_left_that_was_killed_the_next_deletes_but_nothing_of_one_that_runs(
    tmp_path: Path,
) -> None:
    with started(tmp_path) as killed:
        [first] = killed.left()
        (first / "voice.wav").write_bytes(b"voice")
        with started(tmp_path) as runs:
            assert first.exists()
            [second] = set(runs.left()) - {first}
            killed.process.kill()
            killed.process.wait()
            with started(tmp_path):
                assert not first.exists()
                assert second.exists()
