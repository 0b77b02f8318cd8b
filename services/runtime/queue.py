"""The `QueueService` that every container serves beside its own contract."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

from orfeon.api.queue.v1 import queue_pb2, queue_pb2_grpc
from services.runtime.scheduler.ticket import Entry


class Queue(Protocol):
    """The queue of one container; `ModelHost` is this."""

    def entries(self) -> Sequence[Entry]:
        """Those that run, then those that wait, the next one first."""


class QueueServicer(queue_pb2_grpc.QueueServiceServicer):
    """Shows a host's queue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def ListQueue(
        self, request: queue_pb2.ListQueueRequest, context: Any
    ) -> queue_pb2.ListQueueResponse:
        """Who is served and who waits."""
        return queue_pb2.ListQueueResponse(entries=map(_shown, self._queue.entries()))


def _shown(entry: Entry) -> queue_pb2.QueueEntry:
    return queue_pb2.QueueEntry(
        request_id=entry.ticket.request_id,
        key_id=entry.ticket.key,
        model=entry.ticket.model,
        priority=entry.ticket.priority,
        running=entry.running,
        seconds=entry.seconds,
        position=entry.position,
        estimated_wait=entry.estimated_wait if math.isfinite(entry.estimated_wait) else None,
    )
