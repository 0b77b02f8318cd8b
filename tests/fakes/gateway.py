"""Runs the gateway in this process, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

from gateway.app import create_app
from gateway.keystore import KeyStore
from gateway.protocol import EnvelopeProtocol
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams


def settings_for(home: Path, address: str | None = None, **more: Any) -> GatewaySettings:
    """Settings that send every capability to one address, and read no environment of note."""
    upstreams = dict.fromkeys(("chat", "speech", "emotion"), address) if address else {}
    return GatewaySettings(home=home, host="127.0.0.1", upstreams=upstreams, **more)


@asynccontextmanager
async def running(settings: GatewaySettings, keys: KeyStore | None) -> AsyncIterator[str]:
    """Yields the gateway's address."""
    config = uvicorn.Config(
        create_app(settings, Upstreams(settings.upstreams), keys),
        host="127.0.0.1",
        port=0,
        loop="none",
        http=EnvelopeProtocol,
        ws="none",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
