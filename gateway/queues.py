"""The queues of all services together, as much of them as a key may see."""

import asyncio

from gateway.keystore import ApiKey
from gateway.upstreams import Upstreams
from orfeon.api.queue.v1 import queue_pb2
from services.runtime.errors import DeadlineExceeded, ServiceUnavailable


async def queues_of(
    upstreams: Upstreams, key: ApiKey
) -> list[tuple[str, list[queue_pb2.QueueEntry]]]:
    """By capability the requests of a key, running or waiting; those of all for an admin key."""
    names = upstreams.capabilities
    lists = await asyncio.gather(*(_entries(upstreams, name, key) for name in names))
    return list(zip(names, lists, strict=True))


async def _entries(
    upstreams: Upstreams, capability: str, key: ApiKey
) -> list[queue_pb2.QueueEntry]:
    try:
        entries = await upstreams.queue(capability)
    except (ServiceUnavailable, DeadlineExceeded):
        # A service that is away has lost its queue; the gateway asks for those requests again.
        return []
    return [entry for entry in entries if key.is_admin or entry.key_id == key.id]
