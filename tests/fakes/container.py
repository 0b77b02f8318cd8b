"""Runs a capability container in this process, over a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from services.runtime.server import Capability, Container
from services.runtime.settings import ServiceSettings


@asynccontextmanager
async def running(
    capability: Capability[Any, Any], settings: ServiceSettings, *, load: bool = True
) -> AsyncIterator[grpc.aio.Channel]:
    """Yields a channel to the container, which has loaded its models unless told not to."""
    container = Container(capability, settings)
    await container.start()
    try:
        if load:
            await container.load()
        async with grpc.aio.insecure_channel(settings.address) as channel:
            yield channel
    finally:
        await container.stop()
