"""The process of the web app: what it tells operators, and how it ends."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.gateway import staged
from tests.integration.studios import Studio, studio


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One whose gateway is not there."""
    with studio(tmp_path_factory.mktemp("home")) as running:
        yield running


def test_it_is_well_and_says_that_the_gateway_is_away(alone: Studio) -> None:
    ready = httpx.get(f"{alone.url}/readyz")
    assert (ready.status_code, ready.text) == (503, "the gateway is away")

    page = httpx.post(f"{alone.url}/studio/sign-in", data={"key": "sk-orf-1"})
    assert page.status_code == 503
    assert "<form" in page.text


def test_metrics_have_a_port_of_their_own(alone: Studio) -> None:
    httpx.get(f"{alone.url}/studio/en/song", headers={"accept": "text/html"})

    told = httpx.get(f"{alone.metrics}/metrics").text
    assert 'orfeon_studio_pages_total{page="song",status="303"} 1.0' in told
    assert "orfeon_studio_sessions 0.0" in told
    assert httpx.get(f"{alone.url}/metrics").status_code == 401


async def test_pages_that_are_open_do_not_keep_it_from_ending_and_no_file_is_left(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path) as stage:
        with studio(tmp_path, stage.url) as running:
            async with httpx.AsyncClient(base_url=running.url, timeout=30) as browser:
                entered = await browser.post("/studio/sign-in", data={"key": stage.secret})
                assert entered.status_code == 303, entered.text
                # As each page that is open asks, for as long as it is.
                async with browser.stream("GET", "/studio/en/gradio_api/heartbeat/abc") as kept:
                    lines = kept.aiter_lines()
                    await anext(lines)
                    assert running.left()
                    began = time.monotonic()
                    running.process.send_signal(signal.SIGTERM)
                    code = await asyncio.to_thread(running.process.wait, 100)
        assert code == 0
        # Less than it would let requests go on.
        assert time.monotonic() - began < 60
        assert "Traceback" not in running.log.read_text()
        assert running.left() == []
