"""`/v1/queue`: what runs and what waits."""

from fastapi import APIRouter, Request

from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.queues import queues_of
from gateway.schemas.queue import Queue, QueueEntry
from gateway.upstreams import Upstreams
from orfeon.api.queue.v1 import queue_pb2

_EXAMPLE: Queue = {
    "object": "list",
    "data": [
        {
            "request_id": "req_5f0c9a",
            "model": "smollm2-135m-instruct",
            "capability": "chat",
            "priority": 1,
            "state": "queued",
            "seconds": 0.8,
            "position": 2,
            "estimated_wait_seconds": 3.5,
        }
    ],
}


def queue_router(gatekeeper: Gatekeeper, upstreams: Upstreams) -> APIRouter:
    """The route of the queue."""
    guard = Guard(gatekeeper, None)
    router = APIRouter(route_class=guard.route_class(), tags=["queue"])

    @router.get(
        "/v1/queue",
        summary="Show the queue",
        response_model=Queue,
        responses={
            200: {"content": {"application/json": {"example": _EXAMPLE}}},
            **failures(401, 500, 503),
        },
    )
    async def show_queue(request: Request) -> Queue:
        """The requests of the key that asks, running or waiting; those of all, for an admin key."""
        key = exchange_of(request.scope).key
        assert key is not None, "the guard admits nobody without"
        data = [
            _public(entry, capability, key.is_admin)
            for capability, entries in await queues_of(upstreams, key)
            for entry in entries
        ]
        return {"object": "list", "data": data}

    return router


def _public(entry: queue_pb2.QueueEntry, capability: str, with_key: bool) -> QueueEntry:
    estimate = entry.estimated_wait if entry.HasField("estimated_wait") else None
    shown: QueueEntry = {
        "request_id": entry.request_id,
        "model": entry.model,
        "capability": capability,
        "priority": entry.priority,
        "state": "running" if entry.running else "queued",
        "seconds": round(entry.seconds, 3),
        "position": entry.position,
        "estimated_wait_seconds": None if estimate is None else round(estimate, 3),
    }
    if with_key:
        shown["key_id"] = entry.key_id
    return shown
