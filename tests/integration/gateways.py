"""Gateways as processes of their own, as pods are."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import httpx

from gateway.settings import Capability
from tests.fakes.gateway import eventually
from tests.fakes.ports import free_port


@dataclass
class Gateway:
    """One of them."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def client(self, secret: str) -> httpx.AsyncClient:
        """A bare client that sends the key."""
        return httpx.AsyncClient(
            base_url=self.url, headers={"authorization": f"Bearer {secret}"}, timeout=30
        )


def start(
    home: Path,
    address: str,
    name: str = "gateway",
    python: Sequence[str] = (),
    **variables: str,
) -> Gateway:
    """Starts a gateway before the services at `address`; `variables` without their prefix.

    `python` are options of the interpreter.
    """
    port = free_port()
    settings = {
        "host": "127.0.0.1",
        "port": str(port),
        "grpc_port": "0",
        **{f"upstreams__{capability}": address for capability in get_args(Capability)},
        **variables,
    }
    log = home / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *python, "-m", "gateway"],
            stdout=output,
            stderr=output,
            env={
                **os.environ,
                "ORFEON_HOME": str(home),
                **{f"ORFEON_GATEWAY_{key.upper()}": value for key, value in settings.items()},
            },
        )
    return Gateway(f"http://127.0.0.1:{port}", process, log)


@asynccontextmanager
async def serving(
    home: Path,
    address: str,
    *names: str,
    python: Sequence[str] = (),
    **variables: str,
) -> AsyncIterator[list[Gateway]]:
    """Yields gateways of these names, started together, once all answer."""
    gateways = [start(home, address, name, python, **variables) for name in names]
    try:
        async with AsyncExitStack() as stack:
            for gateway in gateways:
                client = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway.url))

                async def up(client: httpx.AsyncClient = client) -> bool:
                    try:
                        return (await client.get("/healthz")).status_code == 200
                    except httpx.TransportError:
                        return False

                await eventually(up, seconds=60)
        yield gateways
    finally:
        for gateway in gateways:
            gateway.process.send_signal(signal.SIGTERM)
        for gateway in gateways:
            await asyncio.to_thread(gateway.process.wait, 30)
