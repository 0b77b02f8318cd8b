"""Runs the gateway in this process, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import uvicorn
from openai import AsyncOpenAI

from gateway.app import create_app
from gateway.keystore import KeyStore
from gateway.protocol import SOCKETS, EnvelopeProtocol
from gateway.settings import Capability, GatewaySettings
from gateway.upstreams import Upstreams
from tests.fakes.script import Script
from tests.fakes.upstreams import serving

CHAT = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Why?"}]}


def error_of(response: httpx.Response) -> dict[str, str | None]:
    """The error of an answer, which must be in the envelope."""
    assert set(response.json()) == {"error"}
    error: dict[str, str | None] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"]
    assert response.headers["openai-processing-ms"]
    return error


def settings_for(home: Path, address: str | None = None, **more: Any) -> GatewaySettings:
    """Settings that send every capability to one address, and read no environment of note.

    There is no gRPC unless its port is given: gateways would get into each other's way.
    """
    upstreams = dict.fromkeys(get_args(Capability), address) if address else {}
    chosen = {"grpc_port": 0, **more}
    return GatewaySettings(home=home, host="127.0.0.1", upstreams=upstreams, **chosen)


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    """Waits until it holds. Raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(settings: GatewaySettings, keys: KeyStore | None) -> AsyncIterator[str]:
    """Yields the gateway's address."""
    config = uvicorn.Config(
        create_app(settings, Upstreams(settings.upstreams), keys),
        host="127.0.0.1",
        port=0,
        loop="none",
        http=EnvelopeProtocol,
        **SOCKETS,
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


@dataclass
class Stage:
    """A gateway before fake services, with one key."""

    url: str
    script: Script
    keys: KeyStore
    secret: str
    stop: Callable[[], Awaitable[None]]
    """Stops the services at once."""

    @property
    def client(self) -> AsyncOpenAI:
        """OpenAI's own client, which does not try again."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.secret, max_retries=0)

    @property
    def http(self) -> httpx.AsyncClient:
        """A bare client that sends the key."""
        return httpx.AsyncClient(
            base_url=self.url, headers={"authorization": f"Bearer {self.secret}"}, timeout=10
        )


@asynccontextmanager
async def staged(home: Path, **settings: Any) -> AsyncIterator[Stage]:
    """A stage with settings of one's own."""
    address = f"unix:{home}/services.sock"
    chosen = settings_for(home, address, **settings)
    keys = KeyStore(chosen.database_url, cache_seconds=0.2)
    _, secret = keys.create("test")
    script = Script()
    async with serving(address, script) as stop, running(chosen, keys) as url:
        yield Stage(url, script, keys, secret, stop)
    keys.close()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A stage with the default settings."""
    async with staged(tmp_path) as stage:
        yield stage
