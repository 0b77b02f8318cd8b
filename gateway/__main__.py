"""`python -m gateway`: settings, then the parts, then HTTP and gRPC."""

import asyncio
import contextlib
import gc
import socket
import sys

import uvicorn

from gateway.app import create_app
from gateway.counts import StorageUnusable
from gateway.database import DatabaseUnusable
from gateway.keystore import KeyStore
from gateway.protocol import IDLE, SOCKETS, EnvelopeProtocol
from gateway.rpc.server import PublicServer
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams
from services.runtime import tracing
from services.runtime.environment import settings_of
from services.runtime.telemetry import configure_logging


class _Server(uvicorn.Server):
    """uvicorn's server, but that gRPC drains while HTTP does, and not after it."""

    def __init__(self, config: uvicorn.Config, rpc: PublicServer | None) -> None:
        super().__init__(config)
        self._rpc = rpc

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets running requests end, then ends the application."""
        stopping = asyncio.create_task(self._rpc.stop()) if self._rpc is not None else None
        await super().shutdown(sockets)
        if stopping is not None and not self.force_exit:
            await stopping
        # uvicorn then ends the process by the signal that it got.
        await asyncio.to_thread(tracing.stop)


def _keys(settings: GatewaySettings) -> KeyStore:
    return KeyStore(
        settings.database_url,
        migrate=settings.migrate,
        connections=settings.database_connections,
        cache_seconds=settings.key_cache_seconds,
        stale_seconds=settings.key_stale_seconds,
    )


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    settings = settings_of(GatewaySettings)
    configure_logging(settings.log_level)
    tracing.start("gateway", settings.traces_endpoint)
    try:
        keys = _keys(settings) if settings.require_keys else None
        app = create_app(settings, Upstreams(settings.upstreams), keys)
    except (DatabaseUnusable, StorageUnusable) as error:
        sys.exit(str(error))
    # What is here now stays: no collection needs to look at it again, while requests wait.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=EnvelopeProtocol,
        **SOCKETS,
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    server = _Server(config, app.state.rpc)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
