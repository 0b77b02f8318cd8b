"""Calls a gateway of `tests.fakes.gateway` by gRPC."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from gateway.settings import GatewaySettings
from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from orfeon.api.lyrics.v1 import lyrics_pb2_grpc
from orfeon.api.melody.v1 import melody_pb2_grpc
from orfeon.api.models.v1 import models_pb2_grpc
from orfeon.api.queue.v1 import queue_pb2_grpc
from orfeon.api.speech.v1 import speech_pb2, speech_pb2_grpc
from tests.fakes.gateway import Stage, staged
from tests.fakes.ports import free_port

ASKED = chat_pb2.ChatCompletionRequest(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER)])
Metadata = tuple[tuple[str, str], ...]


def bearer(secret: str, **more: str) -> Metadata:
    """The metadata of a call with a key; underscores stand for hyphens."""
    rest = ((name.replace("_", "-"), value) for name, value in more.items())
    return (("authorization", f"Bearer {secret}"), *rest)


@dataclass
class Rpc:
    """A gateway before fake services, and a channel to it."""

    stage: Stage
    address: str
    channel: Any
    """It also takes bytes, of which its types know nothing."""

    @property
    def key(self) -> Metadata:
        """What a call with the stage's key has."""
        return bearer(self.stage.secret)

    async def over_http(self, method: str, path: str, **options: Any) -> httpx.Response:
        """What the same gateway answers on HTTP, with the same key unless another is given."""
        async with self.stage.http as client:
            return await client.request(method, path, **options)

    async def metrics(self) -> str:
        """What Prometheus would read."""
        return (await self.over_http("GET", "/metrics")).text

    @property
    def chat(self) -> Any:
        return chat_pb2_grpc.ChatServiceStub(self.channel)

    @property
    def lyrics(self) -> Any:
        return lyrics_pb2_grpc.LyricsServiceStub(self.channel)

    @property
    def speech(self) -> Any:
        return speech_pb2_grpc.SpeechServiceStub(self.channel)

    @property
    def emotion(self) -> Any:
        return emotion_pb2_grpc.EmotionServiceStub(self.channel)

    @property
    def melody(self) -> Any:
        return melody_pb2_grpc.MelodyServiceStub(self.channel)

    @property
    def models(self) -> Any:
        return models_pb2_grpc.ModelServiceStub(self.channel)

    @property
    def queue(self) -> Any:
        return queue_pb2_grpc.QueueServiceStub(self.channel)


def dialled(address: str, credentials: grpc.ChannelCredentials | None = None) -> grpc.aio.Channel:
    """A channel that sends messages of any size, and shares its connection with no other."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


@asynccontextmanager
async def rpc_staged(home: Path, **settings: Any) -> AsyncIterator[Rpc]:
    """A stage with settings of one's own."""
    port = free_port()
    chosen = {"drain_seconds": 0, **settings, "grpc_port": port}
    async with staged(home, **chosen) as stage, dialled(f"127.0.0.1:{port}") as channel:
        yield Rpc(stage, f"127.0.0.1:{port}", channel)


@pytest.fixture
async def rpc(tmp_path: Path) -> AsyncIterator[Rpc]:
    """A stage with the default settings."""
    async with rpc_staged(tmp_path) as rpc:
        yield rpc


def with_grpc(settings: GatewaySettings) -> tuple[GatewaySettings, str]:
    """Settings that serve gRPC too, and where."""
    port = free_port()
    changed = settings.model_copy(update={"grpc_port": port, "drain_seconds": 0})
    return changed, f"127.0.0.1:{port}"


async def upload(*pieces: bytes) -> AsyncIterator[speech_pb2.TranscribeRequest]:
    """A recording to write down."""
    yield speech_pb2.TranscribeRequest(config=speech_pb2.TranscribeConfig())
    for piece in pieces:
        yield speech_pb2.TranscribeRequest(audio=piece)


async def all_of(call: Any) -> list[Any]:
    """Every message of an answer."""
    return [message async for message in call]


@dataclass
class Refusal:
    """How a call failed."""

    code: grpc.StatusCode
    message: str
    reason: str
    param: str | None
    retry_after: float | None
    metadata: dict[str, str]


async def refused(call: Awaitable[Any]) -> Refusal:
    """How a call failed, which it must."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    failure = caught.value
    found = dict(failure.trailing_metadata() or ())
    raw = found.pop("grpc-status-details-bin", b"")
    assert isinstance(raw, bytes)
    status = Status.FromString(raw)
    info, retry, retry_after = ErrorInfo(), RetryInfo(), None
    for detail in status.details:
        if not detail.Unpack(info) and detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    code, said = failure.code(), failure.details() or ""
    if raw:
        assert (status.code, status.message) == (code.value[0], said)
        assert info.domain == "orfeon"
    metadata = {name: str(value) for name, value in found.items()}
    return Refusal(code, said, info.reason, info.metadata.get("param"), retry_after, metadata)
