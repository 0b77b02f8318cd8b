"""The emotion container over a real socket with the fake engine, and what is sent to it."""

from __future__ import annotations  # Stubs of asyncio are there for type checkers alone.

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest

from orfeon.api.emotion.v1 import emotion_pb2 as pb
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from services.emotion.__main__ import EMOTION
from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.settings import EmotionSettings
from services.runtime.errors import OrfeonError
from services.runtime.status import error_of
from tests.fakes.container import running

if TYPE_CHECKING:
    from orfeon.api.emotion.v1.emotion_pb2_grpc import EmotionServiceAsyncStub as Stub

PART = 100_000


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Stub]:
    """The container, its models loaded."""
    told = EmotionSettings(
        ORFEON_HOME=folder / "home", address=f"unix:{folder / 's'}", engine="fake", **settings
    )
    async with running(EMOTION, told) as channel:
        yield emotion_pb2_grpc.EmotionServiceStub(channel)


def sound(seconds: float, level: float = 0.5, hertz: float = 220.0) -> Samples:
    """A tone, or silence for a level of 0."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def pieces(file: bytes) -> Iterator[bytes]:
    """A file as messages carry it."""
    return (file[at : at + PART] for at in range(0, len(file), PART))


def classify_parts(file: bytes, **config: Any) -> list[pb.ClassifyRequest]:
    """A request of Classify."""
    return [
        pb.ClassifyRequest(config=pb.ClassifyConfig(**config)),
        *(pb.ClassifyRequest(audio=piece) for piece in pieces(file)),
    ]


def timeline_parts(file: bytes, **config: Any) -> list[pb.TimelineRequest]:
    """A request of Timeline."""
    return [
        pb.TimelineRequest(config=pb.ClassifyConfig(**config)),
        *(pb.TimelineRequest(audio=piece) for piece in pieces(file)),
    ]


def follow_parts(samples: Samples, step: int = 1_600, **config: Any) -> list[pb.FollowRequest]:
    """A live stream of 16 kHz mono, unless the config says otherwise."""
    data = (samples * 32767).astype("<i2").tobytes()
    return [
        pb.FollowRequest(config=pb.FollowConfig(**config)),
        *(pb.FollowRequest(audio=data[at : at + step]) for at in range(0, len(data), step)),
    ]


async def timeline(
    stub: Stub, file: bytes, **config: Any
) -> tuple[list[pb.Segment], pb.ClassifyResponse]:
    """The segments, and what comes last."""
    events = [event async for event in stub.Timeline(iter(timeline_parts(file, **config)))]
    assert [event.WhichOneof("event") for event in events[:-1]] == ["segment"] * (len(events) - 1)
    assert events[-1].WhichOneof("event") == "finished"
    return [event.segment for event in events[:-1]], events[-1].finished


async def followed(stub: Stub, messages: Iterable[pb.FollowRequest]) -> list[pb.FollowResponse]:
    """Everything that is told of a stream."""
    return [event async for event in stub.Follow(iter(messages))]


def failure(raised: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> OrfeonError:
    """Our error behind a failed call."""
    return error_of(raised.value)
