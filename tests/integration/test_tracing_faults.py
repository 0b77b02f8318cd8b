"""Traces that nobody wants, and collectors that are not there."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fakes.gateway import BODY, CHAT
from tests.fakes.script import Script
from tests.fakes.upstreams import serving
from tests.integration import gateways
from tests.integration.collector import collecting

REQUESTS = 20
#: A gateway without requests ends within seconds. OpenTelemetry by itself goes on for 30.
ENDS_WITHIN = 20


Away = Callable[[], AbstractContextManager[str]]


@contextmanager
def silent() -> Iterator[str]:
    """The address of a collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def absent() -> Iterator[str]:
    """The address of no collector."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


async def asked(home: Path, requests: int) -> list[int]:
    """Starts a gateway, asks it so often, and ends it. Every status, and how it ended."""
    address = f"unix:{home / 's'}"
    async with (
        serving(address, Script()),
        gateways.serving(home, address, "gateway", require_keys="false") as [gateway],
        httpx.AsyncClient(base_url=gateway.url, timeout=30) as http,
    ):
        answers = await asyncio.gather(*(http.post(CHAT, json=BODY) for _ in range(requests)))
        gateway.process.send_signal(signal.SIGTERM)
        ended = await asyncio.to_thread(gateway.process.wait, ENDS_WITHIN)
    return [*(each.status_code for each in answers), ended]


@pytest.mark.parametrize("collector", [silent, absent])
async def test_a_collector_that_is_away_keeps_nobody_waiting(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    collector: Away,
) -> None:
    with collector() as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "120")
        assert set(await asked(tmp_path, REQUESTS)) == {200, -signal.SIGTERM}


@pytest.mark.parametrize(("ratio", "kept"), [("0", 0), ("1", 3)])
async def test_so_many_are_kept_as_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ratio: str, kept: int
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        assert await asked(tmp_path, 3) == [200, 200, 200, -signal.SIGTERM]
    # What a process still has when it ends is sent then.
    assert [span.name for span in collector.spans] == [f"POST {CHAT}"] * kept


@pytest.mark.parametrize("module", ["gateway", "services.chat"])
def test_an_address_that_is_none_is_refused_with_a_sentence(tmp_path: Path, module: str) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", module],
        env={
            **os.environ,
            "ORFEON_HOME": str(tmp_path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode != 0
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is where OTLP is taken over HTTP" in refused.stderr
