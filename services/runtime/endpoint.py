"""The gRPC server of a process: its services, health, reflection and metrics.

Health: the service `liveness` is SERVING from the first moment; '' and the process's own service
are SERVING while `set_ready` says so.
"""

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import Any
from wsgiref.simple_server import WSGIServer

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from orfeon import __version__
from services.runtime import tracing
from services.runtime.interceptor import CallInterceptor
from services.runtime.settings import ListeningSettings
from services.runtime.telemetry import ServiceMetrics

log = logging.getLogger(__name__)

LIVENESS = "liveness"
#: Room for four recordings of known voices as the gateway takes them, 6 MiB each.
MAX_MESSAGE_BYTES = 32 * 2**20

_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class Endpoint:
    """`start` listens, `stop` ends; servicers are added to `server` before.

    `services` are the full names of the contracts served, the process's own first; `options` are
    gRPC's, beside or instead of those that all processes have.
    """

    def __init__(
        self,
        name: str,
        services: Sequence[str],
        settings: ListeningSettings,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._name = name
        self._services = tuple(services)
        self._settings = settings
        self._health = aio_health.HealthServicer()
        self._exporter: WSGIServer | None = None
        self.metrics = ServiceMetrics(name, __version__)
        self.server = grpc.aio.server(
            interceptors=[CallInterceptor(self.metrics)],
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                *options,
            ],
        )

    async def start(self) -> None:
        """Listens; not ready unless that was said before."""
        tracing.start(self._name, self._settings.traces_endpoint)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        names = (*self._services, _HEALTH, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self.server)
        await self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        self.server.add_insecure_port(self._settings.address)
        await self.server.start()
        if self._settings.metrics_port:
            self._exporter, _ = start_http_server(
                self._settings.metrics_port,
                self._settings.metrics_host,
                registry=self.metrics.registry,
            )
        log.info("listening", extra={"address": self._settings.address})

    async def set_ready(self, ready: bool) -> None:
        """Tells health whether requests are taken."""
        states = health_pb2.HealthCheckResponse
        for service in ("", self._services[0]):
            await self._health.set(service, states.SERVING if ready else states.NOT_SERVING)

    async def stop(self, seconds: float) -> None:
        """Lets running calls end within `seconds`."""
        await self.server.stop(seconds)
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.shutdown)
            self._exporter.server_close()
        await asyncio.to_thread(tracing.stop)
        log.info("stopped")


def stop_signal() -> asyncio.Event:
    """What is set by the first SIGTERM or SIGINT from now on."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping
