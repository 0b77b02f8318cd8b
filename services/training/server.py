"""The training container's gRPC server.

It serves no models: those that it makes are the emotion service's. It is ready once jobs are taken
up.
"""

import asyncio
import os
import sys
import time
from typing import Any

from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.api.queue.v1 import queue_pb2, queue_pb2_grpc
from orfeon.api.training.v1 import training_pb2, training_pb2_grpc
from services.runtime.endpoint import Endpoint, stop_signal
from services.runtime.models import NoModels
from services.runtime.reclaim import keep_one_heap
from services.runtime.telemetry import configure_logging
from services.training.bases import Bases
from services.training.conductor import Conductor
from services.training.files import Files
from services.training.jobs import Jobs
from services.training.records import Records
from services.training.runner import Runner
from services.training.servicer import TrainingServicer
from services.training.settings import TrainingSettings
from services.training.store import DatabaseUnusable, Store
from services.training.supervision import Supervision

SERVICE = training_pb2.DESCRIPTOR.services_by_name["TrainingService"].full_name

_NO_MODELS = "The models that are trained here are served by the emotion service."


class TrainingQueue(queue_pb2_grpc.QueueServiceServicer):
    """Shows the jobs as requests in a queue."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def ListQueue(
        self, request: queue_pb2.ListQueueRequest, context: Any
    ) -> queue_pb2.ListQueueResponse:
        """The jobs that run, then those that wait."""
        entries, position = [], 0
        for job in await self._jobs.active():
            running = job.status == "running"
            since = job.started if running and job.started else job.created
            entries.append(
                queue_pb2.QueueEntry(
                    request_id=job.order.request_id,
                    key_id=job.owner,
                    model=job.order.model,
                    priority=job.order.priority,
                    running=running,
                    seconds=max(0.0, time.time() - since),
                    position=position,
                )
            )
            position += not running
        return queue_pb2.ListQueueResponse(entries=entries)


class TrainingServer:
    """One running training service: `start`, then `stop`. Raises `DatabaseUnusable`."""

    def __init__(self, settings: TrainingSettings, runner: Runner) -> None:
        self._settings = settings
        services = (
            SERVICE,
            models_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name,
            queue_pb2.DESCRIPTOR.services_by_name["QueueService"].full_name,
        )
        self._endpoint = Endpoint("training", services, settings)
        self._store = Store(settings.folder / "training.db")
        self._files = Files(
            self._store, settings.folder / "files", settings.max_file_bytes,
            settings.max_stored_bytes,
        )  # fmt: skip
        records = Records(self._store)
        bases = Bases(settings.bases, settings.folder / "bases")
        supervision = Supervision(settings, records, bases, runner)
        conductor = Conductor(settings, records, self._files, supervision)
        self._jobs = Jobs(settings, records, self._files, bases, runner, conductor)

    async def start(self) -> None:
        """Listens, and takes up the jobs that were begun."""
        server = self._endpoint.server
        servicer = TrainingServicer(self._files, self._jobs, self._settings.max_file_bytes)
        training_pb2_grpc.add_TrainingServiceServicer_to_server(servicer, server)
        models_pb2_grpc.add_ModelServiceServicer_to_server(NoModels(_NO_MODELS), server)
        queue_pb2_grpc.add_QueueServiceServicer_to_server(TrainingQueue(self._jobs), server)
        await self._jobs.start()
        await self._endpoint.set_ready(True)
        await self._endpoint.start()

    async def stop(self) -> None:
        """Lets running calls end within the drain time. Jobs are left for the next start."""
        await self._endpoint.set_ready(False)
        await self._endpoint.stop(self._settings.drain_seconds)
        await self._jobs.stop()
        await asyncio.to_thread(self._store.close)


async def _serve(settings: TrainingSettings, runner: Runner) -> None:
    stopping = stop_signal()
    server = TrainingServer(settings, runner)
    await server.start()
    try:
        await stopping.wait()
    finally:
        await server.stop()


def run(settings: TrainingSettings, runner: Runner) -> None:
    """Serves until SIGTERM or SIGINT. Exits with a sentence where jobs cannot be kept."""
    configure_logging(settings.log_level)
    # Recordings of voices are their owner's, not every user's of the machine.
    os.umask(0o077)
    keep_one_heap()
    try:
        asyncio.run(_serve(settings, runner))
    except DatabaseUnusable as error:
        sys.exit(str(error))
