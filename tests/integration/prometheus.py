"""Debian's Prometheus, and what it is asked."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.fakes.ports import free_port

#: Seconds between scrapes and between evaluations.
PACE = 1


@dataclass(frozen=True)
class Prometheus:
    """A running server. Raises `AssertionError` for a query that it refuses."""

    client: httpx.Client

    def get(self, path: str, **parameters: str) -> Any:
        """What its API answers."""
        response = self.client.get(f"/api/v1/{path}", params=parameters)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Every series of an expression, now."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found

    def names(self) -> set[str]:
        """Names of all series."""
        return set(self.get("label/__name__/values"))

    def until(self, expression: str, seconds: float = 60.0) -> None:
        """Waits until an expression has a series. Raises `AssertionError`."""
        end = time.monotonic() + seconds
        while not self.query(expression):
            assert time.monotonic() < end, f"nothing came of {expression}"
            time.sleep(PACE / 2)


def _at_our_pace(rules: Path, folder: Path) -> Path:
    groups = yaml.safe_load(rules.read_text("utf-8"))
    for group in groups["groups"]:
        group["interval"] = f"{PACE}s"
    copy = folder / "rules.yaml"
    copy.write_text(yaml.safe_dump(groups, sort_keys=False), "utf-8")
    return copy


@contextmanager
def prometheus(
    folder: Path, targets: Mapping[str, Sequence[str]], rules: Path
) -> Iterator[Prometheus]:
    """Scrapes targets, `host:port` by job, each second, and evaluates rules as often."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.fail("prometheus is not installed: apt-get install prometheus")
    folder.mkdir()
    config = {
        "global": {"scrape_interval": f"{PACE}s", "scrape_timeout": f"{PACE}s"},
        "rule_files": [str(_at_our_pace(rules, folder))],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [{"targets": list(where), "labels": {"namespace": "ai"}}],
            }
            for job, where in targets.items()
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), "utf-8")
    port = free_port()
    command = [
        program,
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False
        ) as client:
            _wait(client, process, folder)
            yield Prometheus(client)
    finally:
        process.terminate()
        process.wait(20)


def _wait(client: httpx.Client, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            if client.get("/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(f"Prometheus did not start:\n{(folder / 'prometheus.log').read_text()[-2000:]}")
