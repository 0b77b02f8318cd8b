"""The song container's gRPC server.

It has no models; it answers for the queue, and is asked for models, as every container is. It is
ready once jobs are taken up.
"""

import asyncio
import os
import sys
import time
from typing import Any

from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.api.queue.v1 import queue_pb2, queue_pb2_grpc
from orfeon.api.song.v1 import song_pb2, song_pb2_grpc
from services.runtime.endpoint import Endpoint, stop_signal
from services.runtime.models import NoModels
from services.runtime.reclaim import keep_one_heap
from services.runtime.telemetry import JobMetrics, configure_logging
from services.runtime.upload import Uploads
from services.song.genres import KnownGenres
from services.song.jobs import Jobs
from services.song.servicer import SongServicer
from services.song.settings import SongSettings
from services.song.store import DatabaseUnusable
from services.song.upstreams import Upstreams

SERVICE = song_pb2.DESCRIPTOR.services_by_name["SongService"].full_name

_NO_MODELS = "Songs are made with the models of other services."


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
        services = (
            SERVICE,
            models_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
            queue_pb2.DESCRIPTOR.services_by_name["QueueService"].full_name,
        )
        self._endpoint = Endpoint("song", services, settings)
        metrics = JobMetrics(self._endpoint.metrics, "song")
        self._jobs = Jobs(settings, self._upstreams, metrics)

    async def start(self) -> None:
        """Listens, and takes up the jobs that were begun. Waits for no other service.

        Raises `DatabaseUnusable`.
        """
        server = self._endpoint.server
        uploads = Uploads(self._settings.max_audio_bytes, self._settings.upload_memory_bytes)
        genres = KnownGenres(self._upstreams, self._settings.melody_model)
        servicer = SongServicer(self._jobs, genres, self._upstreams, uploads)
        song_pb2_grpc.add_SongServiceServicer_to_server(servicer, server)
        models_pb2_grpc.add_ModelServiceServicer_to_server(NoModels(_NO_MODELS), server)
        queue_pb2_grpc.add_QueueServiceServicer_to_server(SongQueue(self._jobs), server)
        await self._upstreams.open()
        try:
            await self._jobs.start()
        except DatabaseUnusable:
            await self._upstreams.close()
            raise
        await self._endpoint.set_ready(True)
        await self._endpoint.start()

    async def stop(self) -> None:
        """Lets running calls end within the drain time. Jobs are left for the next start."""
        await self._endpoint.set_ready(False)
        await self._endpoint.stop(self._settings.drain_seconds)
        await self._jobs.stop()
        await self._upstreams.close()


async def _serve(settings: SongSettings) -> None:
    stopping = stop_signal()
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
