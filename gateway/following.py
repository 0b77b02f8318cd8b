"""One live stream: samples from a client to the service, and what is heard back to the client."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.classifying import heard, span
from gateway.errors import envelope, error_behind
from gateway.exchange import Exchange
from gateway.schemas.following import (
    Emotion,
    FollowQuery,
    SessionCreated,
    SessionFinished,
    SpeechStarted,
    SpeechStopped,
    StreamError,
)
from gateway.sockets import close_code
from orfeon.api.emotion.v1 import emotion_pb2
from services.runtime.connection import answers
from services.runtime.errors import (
    Cancelled,
    Internal,
    InvalidAudio,
    InvalidRequest,
    OrfeonError,
    ServiceUnavailable,
)

#: How files begin that people send in the stead of samples.
_FILES = (b"RIFF", b"OggS", b"fLaC", b"ID3", b"\x1aE\xdf\xa3")

Call: TypeAlias = "grpc.aio.StreamStreamCall[emotion_pb2.FollowRequest, emotion_pb2.FollowResponse]"


class Following:
    """A stream that has been opened.

    In `idle` seconds samples have to come, the service has to listen, and the client has to take
    what it is told. As often `admitted` is asked, which raises where the key holds no more.
    """

    def __init__(
        self,
        socket: WebSocket,
        exchange: Exchange,
        asked: FollowQuery,
        idle: float,
        admitted: Callable[[], Awaitable[None]],
    ) -> None:
        self._socket = socket
        self._exchange = exchange
        self._asked = asked
        self._idle = idle
        self._admitted = admitted
        self._error: OrfeonError | None = None
        self._left = False
        self._listening = asyncio.Event()

    async def run(self, call: Call) -> None:
        """Listens until the client has ended its stream or left; tells it what went wrong."""
        uplink = asyncio.create_task(self._listen(call))
        try:
            await self._tell(call)
        except Exception as failure:
            await self._fail(failure)
        finally:
            uplink.cancel()
            await asyncio.wait([uplink])

    async def _tell(self, call: Call) -> None:
        finished = False
        events = answers(call)
        async with contextlib.aclosing(events):
            async for event in events:
                self._listening.set()
                finished = event.HasField("finished")
                self._exchange.listened(event.finished.duration_seconds)
                await self._send(self._public(event))
        if not finished:
            raise Internal("The service ended its answer too soon.")
        with contextlib.suppress(WebSocketDisconnect):
            await self._socket.close()

    async def _fail(self, failure: Exception) -> None:
        if self._left:
            self._exchange.error = str(Cancelled.code)
            return
        # Where the client's bytes are at fault, the call was cancelled for that.
        error = self._error or error_behind(failure)
        self._exchange.error = error.code or error.type
        told: StreamError = {"type": "error", "error": envelope(error)["error"]}
        if error.retry_after is not None:
            told["retry_after"] = error.retry_after
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            await self._send(told)
            await self._socket.close(close_code(error), error.code or error.type)

    async def _send(self, message: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._idle):
                await self._socket.send_text(json.dumps(message, separators=(",", ":")))
        except (TimeoutError, WebSocketDisconnect):
            self._left = True
            raise

    async def _listen(self, call: Call) -> None:
        try:
            await self._forward(call)
        except WebSocketDisconnect:
            self._left = True
        except OrfeonError as error:
            self._error = error
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # The service has ended the call: who reads it hears why.
        call.cancel()

    async def _forward(self, call: Call) -> None:
        """Sends samples on. Raises `WebSocketDisconnect` when the client leaves."""
        asked = self._asked
        config = emotion_pb2.FollowConfig(
            model=asked.model, sample_rate=asked.sample_rate, channels=asked.channels
        )
        await call.write(emotion_pb2.FollowRequest(config=config))
        samples = _Samples(2 * asked.channels)
        now = asyncio.get_running_loop().time
        until: float | None = now() + self._idle
        check = now() + self._idle
        while True:
            message = await self._received(until)
            await self._listened_to()
            if now() >= check:
                await self._admitted()
                check = now() + self._idle
            data = message.get("bytes")
            if until is None:
                raise InvalidRequest("The input has ended; open another stream for more.")
            if data is None:
                _check_end(message["text"])
                until = None
                await call.done_writing()
            elif whole := samples.add(data):
                await call.write(emotion_pb2.FollowRequest(audio=whole))
                until = now() + self._idle

    async def _received(self, until: float | None) -> Message:
        try:
            async with asyncio.timeout_at(until):
                message = await self._socket.receive()
        except TimeoutError:
            raise InvalidRequest(
                f"No samples have come for {self._idle:g} s. Send silence as samples too, and "
                "input_audio.done at the end."
            ) from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return message

    async def _listened_to(self) -> None:
        """Waits for the service: what is sent to one that refuses the stream hides the refusal."""
        try:
            async with asyncio.timeout(self._idle):
                await self._listening.wait()
        except TimeoutError:
            raise ServiceUnavailable(
                "The emotion service does not answer; try again shortly.", retry_after=1.0
            ) from None

    def _public(self, event: emotion_pb2.FollowResponse) -> Mapping[str, Any]:
        match event.WhichOneof("event"):
            case "started":
                return self._created(event.started)
            case "speech_started":
                begun: SpeechStarted = {
                    "type": "speech_started",
                    "at": round(event.speech_started.at, 3),
                }
                return begun
            case "emotion":
                return _emotion(event.emotion)
            case "speech_stopped":
                return _stopped(event.speech_stopped)
            case _:
                ended: SessionFinished = {
                    "type": "session.finished",
                    "duration": round(event.finished.duration_seconds, 3),
                    "speech_duration": round(event.finished.speech_seconds, 3),
                }
                return ended

    def _created(self, started: emotion_pb2.FollowStarted) -> SessionCreated:
        return {
            "type": "session.created",
            "id": self._exchange.request_id,
            "model": started.model,
            "labels": list(started.labels),
            "sample_rate": self._asked.sample_rate,
            "channels": self._asked.channels,
        }


class _Samples:
    """Whole samples of all channels out of messages that may end in the midst of one."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._rest = b""
        self._begun = False

    def add(self, data: bytes) -> bytes:
        """What is whole now. Raises `InvalidAudio` for what begins as a file does."""
        if not self._begun and data.startswith(_FILES):
            raise InvalidAudio(
                "This is a file; send its samples alone: signed 16-bit, little-endian, channels "
                "interleaved."
            )
        self._begun = self._begun or bool(data)
        data = self._rest + data
        whole = len(data) - len(data) % self._size
        self._rest = data[whole:]
        return data[:whole]


def _check_end(text: str) -> None:
    """Raises `InvalidRequest` for any message but the one that ends the input."""
    try:
        kind = json.loads(text)["type"]
    except (ValueError, TypeError, KeyError, RecursionError):
        kind = None
    if kind != "input_audio.done":
        raise InvalidRequest(
            'A text must be {"type": "input_audio.done"}; send samples as binary messages.',
            param="type",
        )


def _emotion(one: emotion_pb2.EmotionHeard) -> Emotion:
    return {
        "type": "emotion",
        **span(one.segment),
        **heard(one.segment.labels),
        "delay": round(one.delay_seconds, 3),
    }


def _stopped(one: emotion_pb2.SpeechStopped) -> SpeechStopped:
    return {
        "type": "speech_stopped",
        "at": round(one.at, 3),
        **span(one.segment),
        **heard(one.segment.labels),
    }
