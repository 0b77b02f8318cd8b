"""The capability services behind the gateway: channels, stubs, deadlines, health."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from grpc_health.v1 import health_pb2

from gateway.settings import Capability
from orfeon.api.chat.v1 import chat_pb2_grpc
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.api.speech.v1 import speech_pb2_grpc
from services.runtime.errors import NotFound
from services.runtime.status import error_of

if TYPE_CHECKING:
    from orfeon.api.chat.v1.chat_pb2_grpc import ChatServiceAsyncStub
    from orfeon.api.emotion.v1.emotion_pb2_grpc import EmotionServiceAsyncStub
    from orfeon.api.speech.v1.speech_pb2_grpc import SpeechServiceAsyncStub

T = TypeVar("T")

#: Seconds that a question about a service itself may take.
QUICK = 1.0

_OPTIONS = [
    # A restarted service is found again within a second, and one that swallows packets given up
    # on as soon: gRPC's own defaults are two minutes and twenty seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", 16 * 2**20),
    # In a cluster a service's name stands for all of its pods: use each, and notice new ones soon.
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # The services are ours; a proxy in the environment is for the world outside.
    ("grpc.enable_http_proxy", 0),
]


class Upstreams:
    """Connections to the services, by capability. `open` and `close` in one event loop."""

    def __init__(self, addresses: Mapping[Capability, str]) -> None:
        self._addresses = dict(addresses)
        self._channels: dict[str, grpc.aio.Channel] = {}

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that there is a service for."""
        return tuple(self._addresses)

    async def open(self) -> None:
        """Makes the channels. Waits for no service."""
        for capability, address in self._addresses.items():
            channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
            channel.get_state(try_to_connect=True)
            self._channels[capability] = channel

    async def close(self) -> None:
        """Closes the channels, and with them the calls that still run."""
        for channel in self._channels.values():
            await channel.close()

    @property
    def chat(self) -> "ChatServiceAsyncStub":
        """The chat service. Raises `NotFound` where there is none, as do the others."""
        return chat_pb2_grpc.ChatServiceStub(self._channel("chat"))

    @property
    def speech(self) -> "SpeechServiceAsyncStub":
        """The speech service."""
        return speech_pb2_grpc.SpeechServiceStub(self._channel("speech"))

    @property
    def emotion(self) -> "EmotionServiceAsyncStub":
        """The emotion service."""
        return emotion_pb2_grpc.EmotionServiceStub(self._channel("emotion"))

    async def models(self, capability: str) -> list[models_pb2.Model]:
        """The models of one service. Raises `ServiceUnavailable` and the like, within seconds."""
        stub = models_pb2_grpc.ModelServiceStub(self._channel(capability))
        try:
            answer = await stub.ListModels(models_pb2.ListModelsRequest(), timeout=QUICK)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure
        return list(answer.models)

    async def health(self) -> dict[str, str]:
        """Per capability: `serving`, `not_serving` or `unreachable`."""
        states = await asyncio.gather(*map(self._health, self._channels))
        return dict(zip(self._channels, states, strict=True))

    async def _health(self, capability: str) -> str:
        check = self._channel(capability).unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=QUICK)
        except grpc.aio.AioRpcError:
            return "unreachable"
        serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        return "serving" if serving else "not_serving"

    def _channel(self, capability: str) -> grpc.aio.Channel:
        try:
            return self._channels[capability]
        except KeyError:
            raise NotFound(f"This installation has no {capability} service.") from None


async def answer(call: Awaitable[T]) -> T:
    """The message of a unary call; raises `OrfeonError`. Leaving it cancels the call."""
    try:
        return await call
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from failure
    finally:
        cancel(call)


async def answers(call: AsyncIterable[T]) -> AsyncGenerator[T, None]:
    """The messages of a streaming call; raises `OrfeonError`. Closing it cancels the call."""
    try:
        async for message in call:
            yield message
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from failure
    finally:
        cancel(call)


def cancel(call: Any) -> None:
    """Ends a call, if it has not ended by itself."""
    call.cancel()
