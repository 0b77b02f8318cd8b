"""The arbiter's gRPC server.

Health: `liveness`, '' and the arbiter's own service are SERVING from the first moment. Clients of
a predecessor must be able to come back before anything is granted.
"""

import asyncio
import logging
import signal
from wsgiref.simple_server import WSGIServer

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from orfeon import __version__
from orfeon.api.arbiter.v1 import arbiter_pb2, arbiter_pb2_grpc
from services.arbiter.arbiter import Arbiter
from services.arbiter.members import Members
from services.arbiter.metrics import ArbiterMetrics
from services.arbiter.servicer import ArbiterServicer
from services.arbiter.settings import ArbiterSettings
from services.arbiter.state import StateFile
from services.runtime.arbiter_wire import PING_SECONDS
from services.runtime.interceptor import CallInterceptor
from services.runtime.process import is_alive, this_process
from services.runtime.residency.ledger import Ledger
from services.runtime.telemetry import ServiceMetrics, configure_logging

log = logging.getLogger(__name__)

SERVICE = arbiter_pb2.DESCRIPTOR.services_by_name["ArbiterService"].full_name
LIVENESS = "liveness"
#: How long sessions may take to end, seconds.
STOP_SECONDS = 1.0


class ArbiterServer:
    """One running arbiter: `start`, then `stop`."""

    def __init__(self, ledger: Ledger, settings: ArbiterSettings) -> None:
        self._settings = settings
        self._calls = ServiceMetrics("arbiter", __version__)
        self._arbiter = Arbiter(
            ledger,
            Members(ledger, lease_ttl=settings.lease_ttl, own=this_process(), is_alive=is_alive),
            None if settings.state is None else StateFile(settings.state),
            ArbiterMetrics(self._calls.registry),
            lease_ttl=settings.lease_ttl,
            settle_seconds=settings.settle_seconds,
        )
        self._tending: asyncio.Task[None] | None = None
        self._exporter: WSGIServer | None = None
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(self._calls)],
            options=[
                ("grpc.so_reuseport", 0),
                # Clients ping to notice a node's network that lost them without a word.
                ("grpc.http2.min_recv_ping_interval_without_data_ms", PING_SECONDS * 500),
            ],
        )

    async def start(self) -> None:
        """Listens."""
        arbiter_pb2_grpc.add_ArbiterServiceServicer_to_server(
            ArbiterServicer(self._arbiter, self._settings.lease_ttl), self._server
        )
        health = aio_health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health, self._server)
        names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)
        for service in (LIVENESS, "", SERVICE):
            await health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._server.add_insecure_port(self._settings.address)
        self._tending = asyncio.create_task(self._arbiter.tend())
        await self._server.start()
        if self._settings.metrics_port:
            self._exporter, _ = start_http_server(
                self._settings.metrics_port,
                self._settings.metrics_host,
                registry=self._calls.registry,
            )
        log.info("listening", extra={"address": self._settings.address})

    async def serve(self, stopping: asyncio.Event) -> None:
        """Serves until `stopping` is set. Raises what its own work raised."""
        assert self._tending is not None
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait([stop, self._tending], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._tending.done():
            self._tending.result()

    async def stop(self) -> None:
        """Ends at once: clients keep what they have, and come back to a successor."""
        if self._tending is not None:
            self._tending.cancel()
        self._arbiter.stop()
        await self._server.stop(STOP_SECONDS)
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.shutdown)
            self._exporter.server_close()
        log.info("stopped")


async def _serve(ledger: Ledger, settings: ArbiterSettings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = ArbiterServer(ledger, settings)
    await server.start()
    try:
        await server.serve(stopping)
    finally:
        await server.stop()


def run(ledger: Ledger, settings: ArbiterSettings) -> None:
    """Serves until SIGTERM or SIGINT."""
    configure_logging(settings.log_level)
    asyncio.run(_serve(ledger, settings))
