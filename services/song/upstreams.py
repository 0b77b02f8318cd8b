"""The services that songs are made with: stubs, and patience with those that are away or full."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import grpc

from orfeon.api.emotion.v1 import emotion_pb2_grpc
from orfeon.api.lyrics.v1 import lyrics_pb2_grpc
from orfeon.api.melody.v1 import melody_pb2_grpc
from orfeon.api.models.v1 import models_pb2_grpc
from orfeon.api.speech.v1 import speech_pb2_grpc
from services.runtime.connection import Connection
from services.runtime.errors import OrfeonError, Overloaded, ServiceUnavailable
from services.song.settings import Upstream

if TYPE_CHECKING:
    from orfeon.api.emotion.v1.emotion_pb2_grpc import EmotionServiceAsyncStub
    from orfeon.api.lyrics.v1.lyrics_pb2_grpc import LyricsServiceAsyncStub
    from orfeon.api.melody.v1.melody_pb2_grpc import MelodyServiceAsyncStub
    from orfeon.api.models.v1.models_pb2_grpc import ModelServiceAsyncStub
    from orfeon.api.speech.v1.speech_pb2_grpc import SpeechServiceAsyncStub

log = logging.getLogger(__name__)

T = TypeVar("T")

#: What passes: a service that is away or loading, and one that is full.
_PASSING = (ServiceUnavailable, Overloaded)

#: Seconds between two tries: the first and the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Upstreams:
    """Connections to the services. `open` and `close` in one event loop."""

    def __init__(self, addresses: Mapping[Upstream, str]) -> None:
        self._addresses = {name: address for name, address in addresses.items() if address}
        self._connections: dict[str, Connection] = {}

    async def open(self) -> None:
        """Makes the connections. Waits for no service."""
        for name, address in self._addresses.items():
            self._connections[name] = Connection(address)

    async def close(self) -> None:
        """Closes the connections, and with them the calls that still run."""
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))

    def has(self, name: Upstream) -> bool:
        """Whether there is such a service."""
        return name in self._addresses

    @property
    def emotion(self) -> "EmotionServiceAsyncStub":
        """Hears moods. Raises `ServiceUnavailable` where there is none, as do the others."""
        return emotion_pb2_grpc.EmotionServiceStub(self._channel("emotion"))

    @property
    def lyrics(self) -> "LyricsServiceAsyncStub":
        """Writes lyrics."""
        return lyrics_pb2_grpc.LyricsServiceStub(self._channel("lyrics"))

    @property
    def genres(self) -> "ModelServiceAsyncStub":
        """Lists the genres of lyrics: they are models."""
        return models_pb2_grpc.ModelServiceStub(self._channel("lyrics"))

    @property
    def melody(self) -> "MelodyServiceAsyncStub":
        """Composes."""
        return melody_pb2_grpc.MelodyServiceStub(self._channel("melody"))

    @property
    def speech(self) -> "SpeechServiceAsyncStub":
        """Speaks."""
        return speech_pb2_grpc.SpeechServiceStub(self._channel("speech"))

    def _channel(self, name: Upstream) -> grpc.aio.Channel:
        try:
            return self._connections[name].channel
        except KeyError:
            raise ServiceUnavailable(
                f"This installation has no {name} service, which this song needs."
            ) from None


class Patience:
    """Asks again for up to `seconds` from the first failure on, if what failed may pass."""

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep

    async def until_done(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """What an attempt returns. Raises the `OrfeonError` of the last one."""
        end: float | None = None
        pause = _FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except OrfeonError as error:
                if not isinstance(error, _PASSING):
                    raise
                now = self._clock()
                end = now + self._seconds if end is None else end
                wait = min(max(pause, error.retry_after or 0.0), _LONGEST_PAUSE)
                if now + wait > end:
                    raise
                log.warning("asking again", extra={"service": what, "why": error.reason})
            await self._sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)
