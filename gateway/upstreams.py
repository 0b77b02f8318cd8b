"""The capability services behind the gateway: stubs and health."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2

from gateway.settings import Capability
from orfeon.api.chat.v1 import chat_pb2_grpc
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from orfeon.api.images.v1 import images_pb2_grpc
from orfeon.api.lyrics.v1 import lyrics_pb2_grpc
from orfeon.api.melody.v1 import melody_pb2_grpc
from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from orfeon.api.queue.v1 import queue_pb2, queue_pb2_grpc
from orfeon.api.song.v1 import song_pb2_grpc
from orfeon.api.speech.v1 import speech_pb2_grpc
from orfeon.api.training.v1 import training_pb2_grpc
from services.runtime.connection import Connection, answer
from services.runtime.errors import NotFound

if TYPE_CHECKING:
    from orfeon.api.chat.v1.chat_pb2_grpc import ChatServiceAsyncStub
    from orfeon.api.emotion.v1.emotion_pb2_grpc import EmotionServiceAsyncStub
    from orfeon.api.images.v1.images_pb2_grpc import ImagesServiceAsyncStub
    from orfeon.api.lyrics.v1.lyrics_pb2_grpc import LyricsServiceAsyncStub
    from orfeon.api.melody.v1.melody_pb2_grpc import MelodyServiceAsyncStub
    from orfeon.api.models.v1.models_pb2_grpc import ModelServiceAsyncStub
    from orfeon.api.queue.v1.queue_pb2_grpc import QueueServiceAsyncStub
    from orfeon.api.song.v1.song_pb2_grpc import SongServiceAsyncStub
    from orfeon.api.speech.v1.speech_pb2_grpc import SpeechServiceAsyncStub
    from orfeon.api.training.v1.training_pb2_grpc import TrainingServiceAsyncStub

#: Seconds that a question about a service itself may take.
QUICK = 3.0


class Upstreams:
    """Connections to the services, by capability. `open` and `close` in one event loop."""

    def __init__(self, addresses: Mapping[Capability, str]) -> None:
        self._addresses = dict(addresses)
        self._connections: dict[str, Connection] = {}

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that there is a service for."""
        return tuple(self._addresses)

    async def open(self) -> None:
        """Makes the connections. Waits for no service."""
        for capability, address in self._addresses.items():
            self._connections[capability] = Connection(address)

    async def close(self) -> None:
        """Closes the connections, and with them the calls that still run."""
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))

    @property
    def chat(self) -> "ChatServiceAsyncStub":
        """The chat service. Raises `NotFound` where there is none, as do the others."""
        return chat_pb2_grpc.ChatServiceStub(self.channel("chat"))

    @property
    def lyrics(self) -> "LyricsServiceAsyncStub":
        """The lyrics service."""
        return lyrics_pb2_grpc.LyricsServiceStub(self.channel("lyrics"))

    @property
    def speech(self) -> "SpeechServiceAsyncStub":
        """The speech service."""
        return speech_pb2_grpc.SpeechServiceStub(self.channel("speech"))

    @property
    def emotion(self) -> "EmotionServiceAsyncStub":
        """The emotion service."""
        return emotion_pb2_grpc.EmotionServiceStub(self.channel("emotion"))

    @property
    def melody(self) -> "MelodyServiceAsyncStub":
        """The melody service."""
        return melody_pb2_grpc.MelodyServiceStub(self.channel("melody"))

    @property
    def song(self) -> "SongServiceAsyncStub":
        """The song service."""
        return song_pb2_grpc.SongServiceStub(self.channel("song"))

    @property
    def images(self) -> "ImagesServiceAsyncStub":
        """The images service."""
        return images_pb2_grpc.ImagesServiceStub(self.channel("images"))

    @property
    def training(self) -> "TrainingServiceAsyncStub":
        """The training service."""
        return training_pb2_grpc.TrainingServiceStub(self.channel("training"))

    def manager(self, capability: str) -> "ModelServiceAsyncStub":
        """What loads and unloads the models of one service."""
        return models_pb2_grpc.ModelServiceStub(self.channel(capability))

    async def models(self, capability: str) -> list[models_pb2.Model]:
        """The models of one service. Raises `ServiceUnavailable` and the like, within seconds."""
        request = models_pb2.ListModelsRequest()
        models = await answer(self.manager(capability).ListModels(request, timeout=QUICK))
        return list(models.models)

    async def queue(self, capability: str) -> list[queue_pb2.QueueEntry]:
        """The queue of one service. Raises `ServiceUnavailable` and the like, within seconds."""
        stub: QueueServiceAsyncStub = queue_pb2_grpc.QueueServiceStub(self.channel(capability))
        queue = await answer(stub.ListQueue(queue_pb2.ListQueueRequest(), timeout=QUICK))
        return list(queue.entries)

    async def health(self) -> dict[str, str]:
        """Per capability: `serving`, `not_serving` or `unreachable`."""
        states = await asyncio.gather(*map(self._health, self._connections))
        return dict(zip(self._connections, states, strict=True))

    async def is_serving(self, capability: str) -> bool:
        """Whether a service takes requests now."""
        return await self._health(capability) == "serving"

    def lost_for(self, capability: str) -> float:
        """Seconds since a service could last be reached: 0 while it can, inf if never."""
        return self._connections[capability].lost_for()

    def answered(self, capability: str) -> None:
        """A service has answered a call."""
        self._connections[capability].answered()

    async def _health(self, capability: str) -> str:
        check = self.channel(capability).unary_unary(
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

    def channel(self, capability: str) -> grpc.aio.Channel:
        """The channel to one service. Raises `NotFound` where there is none."""
        try:
            return self._connections[capability].channel
        except KeyError:
            raise NotFound(f"This installation has no {capability} service.") from None
