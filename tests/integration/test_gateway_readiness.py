"""What the gateway says of services that are not there, not yet, or not any more."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from tests.fakes.gateway import BODY, CHAT, error_of, eventually, running, settings_for
from tests.fakes.script import Script
from tests.fakes.upstreams import serving


def reports(client: httpx.AsyncClient, status: int, state: str) -> Callable[[], Awaitable[bool]]:
    """Whether /readyz has this status and chat this state."""

    async def check() -> bool:
        answer = await client.get("/readyz")
        return (answer.status_code, answer.json()["capabilities"]["chat"]) == (status, state)

    return check


async def test_readiness_follows_the_services(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/services.sock"
    async with (
        running(settings_for(tmp_path, address), None) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        away = await client.get("/readyz")
        assert away.status_code == 503
        assert away.headers["retry-after"] == "1"
        assert away.json()["capabilities"]["chat"] == "unreachable"
        assert away.json()["error"]["code"] == "service_unavailable"
        began = time.monotonic()
        down = await client.post(CHAT, json=BODY)
        assert time.monotonic() - began < 10
        assert (down.status_code, error_of(down)["code"]) == (503, "service_unavailable")
        assert down.headers["retry-after"] == "1"
        assert (await client.get("/v1/models")).status_code == 503
        async with serving(address, Script(), ready=False):
            await eventually(reports(client, 503, "not_serving"))
        async with serving(address, Script()):
            await eventually(reports(client, 200, "serving"))
            assert (await client.post(CHAT, json=BODY)).status_code == 200
            assert (await client.get("/v1/models")).status_code == 200


async def test_a_capability_that_is_not_installed_is_not_found(tmp_path: Path) -> None:
    async with (
        running(settings_for(tmp_path), None) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.post(CHAT, json=BODY)
        assert (response.status_code, error_of(response)["code"]) == (404, "not_found")
        assert (await client.get("/readyz")).json() == {"status": "ready", "capabilities": {}}


async def test_a_service_killed_in_mid_stream_and_started_again(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/services.sock"

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fakes.upstreams", address, "hold"
        )

    service = await start()
    async with (
        running(settings_for(tmp_path, address, retry_seconds=0.5), None) as url,
        httpx.AsyncClient(base_url=url, timeout=20) as client,
    ):
        await eventually(reports(client, 200, "serving"), seconds=60)
        async with client.stream("POST", CHAT, json={**BODY, "stream": True}) as response:
            lines = response.aiter_lines()
            assert "Hello" in [await anext(lines) for _ in range(3)][2]
            os.kill(service.pid, signal.SIGKILL)
            rest = [line async for line in lines if line]
        assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "service_unavailable"
        assert "data: [DONE]" not in rest
        await service.wait()
        down = await client.post(CHAT, json=BODY)
        assert (down.status_code, error_of(down)["code"]) == (503, "service_unavailable")
        service = await start()
        await eventually(reports(client, 200, "serving"), seconds=60)
    service.kill()
    await service.wait()
