"""Health as gRPC has it: of the whole, and of each public contract by that of its service."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.rpc.methods import CONTRACTS, OWN
from gateway.upstreams import Upstreams

#: Seconds between two questions how the services are.
_LOOK_EVERY = 1.0
#: The name that stands for the whole.
_ALL = ""

_Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """Asks the services again and again, and tells whoever watches of each change.

    The servicer that gRPC brings forgets all who watch a service when one of them leaves, and
    lets nobody hear anything while one of them does not listen.
    """

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._serving = dict.fromkeys(OWN, True) | {_ALL: False}
        self._changed = asyncio.Event()
        self._stopping = False

    async def look(self) -> None:
        """Looks for ever."""
        while True:
            states = await self._upstreams.health()
            serving = {CONTRACTS[name]: state == "serving" for name, state in states.items()}
            self._tell(serving | dict.fromkeys(OWN, True) | {_ALL: all(serving.values())})
            await asyncio.sleep(_LOOK_EVERY)

    def stop(self) -> None:
        """Tells that nothing is served from now on, and ends what watches."""
        self._stopping = True
        self._tell(dict.fromkeys(self._serving, False))

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """How one service is."""
        status = self._status(request.service)
        if status == _Status.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service here.")
        return _Status(status=status)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """How one service is, and again at each change."""
        told: int | None = None
        while True:
            changed = self._changed
            status = self._status(request.service)
            if status != told:
                told = status
                yield _Status(status=status)
            if self._stopping:
                return
            await changed.wait()

    def _status(self, name: str) -> Any:
        serving = self._serving.get(name)
        if serving is None:
            return _Status.SERVICE_UNKNOWN
        return _Status.SERVING if serving else _Status.NOT_SERVING

    def _tell(self, serving: dict[str, bool]) -> None:
        if serving == self._serving and not self._stopping:
            return
        self._serving = serving
        before, self._changed = self._changed, asyncio.Event()
        before.set()
