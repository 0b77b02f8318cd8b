"""How far a child is: asked over the wire, as Kubernetes would."""

from enum import StrEnum
from typing import Protocol

import grpc
import httpx
from grpc.aio import AioRpcError, insecure_channel
from grpc_health.v1 import health_pb2

from orfeon.api.models.v1 import models_pb2, models_pb2_grpc

_TIMEOUT = 2.0

# A socket that is not there yet would otherwise be tried again only after a second or more.
_EAGER = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 300))


class Phase(StrEnum):
    """Where a child is in its life."""

    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


class Probe(Protocol):
    """Asks one child how far it is."""

    async def ask(self) -> tuple[Phase, str] | None:
        """STARTING, LOADING or READY, and a detail for people; None if it is too busy to say."""

    async def close(self) -> None:
        """Closes connections."""


class ServiceProbe:
    """Asks a service by gRPC health; while it loads, its models."""

    def __init__(self, address: str) -> None:
        self._channel = insecure_channel(address, options=_EAGER)
        # Not through the generated stub: its published types lack the methods.
        self._check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._models: models_pb2_grpc.ModelServiceAsyncStub = models_pb2_grpc.ModelServiceStub(
            self._channel
        )

    async def ask(self) -> tuple[Phase, str] | None:
        """See `Probe`."""
        try:
            answer = await self._check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return Phase.READY, ""
            listed = await self._models.ListModels(models_pb2.ListModelsRequest(), timeout=_TIMEOUT)
        except AioRpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                return Phase.STARTING, ""
            return None
        said = {
            models_pb2.MODEL_STATE_LOADING: "",
            models_pb2.MODEL_STATE_WAITING: " (waits for memory)",
        }
        coming = (f"{m.id}{said[m.state]}" for m in listed.models if m.state in said)
        return Phase.LOADING, ", ".join(coming)

    async def close(self) -> None:
        """See `Probe`."""
        await self._channel.close()


class HttpProbe:
    """Asks what serves HTTP at `url` whether its process is up."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/healthz"
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

    async def ask(self) -> tuple[Phase, str] | None:
        """See `Probe`."""
        try:
            response = await self._client.get(self._url)
        except httpx.TimeoutException:
            return None
        except httpx.TransportError:
            return Phase.STARTING, ""
        return (Phase.READY if response.is_success else Phase.LOADING), ""

    async def close(self) -> None:
        """See `Probe`."""
        await self._client.aclose()
