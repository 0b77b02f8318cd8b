"""The song container's gRPC server.

It has no models; it answers for the queue, and is asked for models, as every container is. Health:
`liveness` is SERVING from the first moment, '' and the song service once jobs are taken up.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from typing import Any
from wsgiref.simple_server import WSGIServer

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from orfeon import __version__
from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.api.queue.v1 import queue_pb2, queue_pb2_grpc
from orfeon.api.song.v1 import song_pb2, song_pb2_grpc
from services.runtime.errors import ModelNotFound
from services.runtime.interceptor import CallInterceptor
from services.runtime.reclaim import keep_one_heap
from services.runtime.telemetry import ServiceMetrics, configure_logging
from services.song.genres import KnownGenres
from services.song.jobs import Jobs
from services.song.servicer import SongServicer
from services.song.settings import SongSettings
from services.song.store import DatabaseUnusable
from services.song.upstreams import Upstreams

log = logging.getLogger(__name__)

SERVICE = song_pb2.DESCRIPTOR.services_by_name["SongService"].full_name
LIVENESS = "liveness"


class NoModels(models_pb2_grpc.ModelServiceServicer):
    """The models of a container without any."""

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Any
    ) -> models_pb2.ListModelsResponse:
        """None."""
        return models_pb2.ListModelsResponse()

    async def LoadModel(
        self, request: models_pb2.LoadModelRequest, context: Any
    ) -> models_pb2.LoadModelResponse:
        """Raises `ModelNotFound`."""
        raise ModelNotFound("Songs are made with the models of other services.", param="model")

    async def UnloadModel(
        self, request: models_pb2.UnloadModelRequest, context: Any
    ) -> models_pb2.UnloadModelResponse:
        """Raises `ModelNotFound`."""
        raise ModelNotFound("Songs are made with the models of other services.", param="model")


class SongQueue(queue_pb2_grpc.QueueServiceServicer):
    """Shows the jobs as requests in a queue."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def ListQueue(
        self, request: queue_pb2.ListQueueRequest, context: Any
    ) -> queue_pb2.ListQueueResponse:
        """The jobs that are made, then those that wait."""
        entries = []
        for job in await self._jobs.active():
            running = job.status == "running"
            since = job.started if running and job.started else job.order.created
            entries.append(
                queue_pb2.QueueEntry(
                    request_id=job.order.request_id,
                    key_id=job.order.owner,
                    model="song",
                    priority=job.order.level,
                    running=running,
                    seconds=max(0.0, time.time() - since),
                    position=max(0, job.position - 1),
                )
            )
        return queue_pb2.ListQueueResponse(entries=entries)


class SongServer:
    """One running song service: `start`, then `stop`."""

    def __init__(self, settings: SongSettings) -> None:
        self._settings = settings
        self._upstreams = Upstreams(settings.upstreams)
        self._jobs = Jobs(settings, self._upstreams)
        self._metrics = ServiceMetrics("song", __version__)
        self._health = aio_health.HealthServicer()
        self._exporter: WSGIServer | None = None
        self._server = grpc.aio.server(
            interceptors=[CallInterceptor(self._metrics)],
            options=[
                ("grpc.max_receive_message_length", 16 * 2**20),
                ("grpc.so_reuseport", 0),
            ],
        )

    async def start(self) -> None:
        """Listens, and takes up the jobs that were begun. Waits for no other service.

        Raises `DatabaseUnusable`.
        """
        genres = KnownGenres(self._upstreams, self._settings.melody_model)
        servicer = SongServicer(self._jobs, genres, self._upstreams, self._settings.max_audio_bytes)
        song_pb2_grpc.add_SongServiceServicer_to_server(servicer, self._server)
        models_pb2_grpc.add_ModelServiceServicer_to_server(NoModels(), self._server)
        queue_pb2_grpc.add_QueueServiceServicer_to_server(SongQueue(self._jobs), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (
            SERVICE,
            models_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
            queue_pb2.DESCRIPTOR.services_by_name["QueueService"].full_name,
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        )
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)
        await self._upstreams.open()
        try:
            await self._jobs.start()
        except DatabaseUnusable:
            await self._upstreams.close()
            raise
        for service in (LIVENESS, "", SERVICE):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._server.add_insecure_port(self._settings.address)
        await self._server.start()
        if self._settings.metrics_port:
            self._exporter, _ = start_http_server(
                self._settings.metrics_port,
                self._settings.metrics_host,
                registry=self._metrics.registry,
            )
        log.info("listening", extra={"address": self._settings.address})

    async def stop(self) -> None:
        """Lets running calls end within the drain time. Jobs are left for the next start."""
        for service in ("", SERVICE):
            await self._health.set(service, health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.stop(self._settings.drain_seconds)
        await self._jobs.stop()
        await self._upstreams.close()
        if self._exporter is not None:
            await asyncio.to_thread(self._exporter.shutdown)
            self._exporter.server_close()
        log.info("stopped")


async def _serve(settings: SongSettings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    server = SongServer(settings)
    await server.start()
    try:
        await stopping.wait()
    finally:
        await server.stop()


def run(settings: SongSettings) -> None:
    """Serves until SIGTERM or SIGINT. Exits with a sentence where jobs cannot be kept."""
    configure_logging(settings.log_level)
    # Words stand in the database too, and are nobody's but their owner's.
    os.umask(0o077)
    keep_one_heap()
    try:
        asyncio.run(_serve(settings))
    except DatabaseUnusable as error:
        sys.exit(str(error))
