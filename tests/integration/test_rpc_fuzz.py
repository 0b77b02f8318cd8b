"""Messages out of range, straight to the services: refused by name, and never a fault of ours.

By gRPC callers reach the services' own checks: what HTTP's schemas refuse does not protect them.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.rpc.methods import METHODS, Method
from services.chat.__main__ import CHAT
from services.chat.settings import ChatSettings
from services.emotion.__main__ import EMOTION
from services.emotion.settings import EmotionSettings
from services.images.__main__ import IMAGES
from services.images.settings import ImagesSettings
from services.lyrics.__main__ import LYRICS
from services.lyrics.settings import LyricsSettings
from services.melody.__main__ import MELODY
from services.melody.settings import MelodySettings
from services.runtime.context import RequestContext
from services.speech.__main__ import SPEECH
from services.speech.settings import SpeechSettings
from tests.fakes import songs, trainings
from tests.fakes.container import running
from tests.fakes.studio import Script
from tests.recordings import tone, wav

CONTAINERS: dict[str, tuple[Any, Any]] = {
    "chat": (CHAT, ChatSettings),
    "lyrics": (LYRICS, LyricsSettings),
    "speech": (SPEECH, SpeechSettings),
    "emotion": (EMOTION, EmotionSettings),
    "melody": (MELODY, MelodySettings),
    "images": (IMAGES, ImagesSettings),
}
CAPABILITIES = [*CONTAINERS, "song", "training"]
CLIP = wav(tone(0.5))
INTS = [-1, 0, 7, 2**31 - 1, -(2**31)]
VALUES: dict[int, list[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: INTS,
    FieldDescriptor.CPPTYPE_INT64: [*INTS, 2**63 - 1, -(2**63)],
    FieldDescriptor.CPPTYPE_UINT32: [0, 2**32 - 1],
    FieldDescriptor.CPPTYPE_UINT64: [0, 2**64 - 1],
    FieldDescriptor.CPPTYPE_DOUBLE: [math.nan, math.inf, -math.inf, -1.0, 1e300, 5e-324],
    FieldDescriptor.CPPTYPE_FLOAT: [math.nan, math.inf, -math.inf, -1.0, 1e30],
    FieldDescriptor.CPPTYPE_BOOL: [True],
    FieldDescriptor.CPPTYPE_ENUM: [0, 99, -1],
}
TEXTS = ["", " ", "\0", "../../etc/passwd", "x" * 100_000, "\U0010ffff\u202e\ufeff", "{'a': [}"]
BYTES = [b"", b"\0", b"RIFF", b"\x89PNG\r\n\x1a\n" + b"\0" * 64, b"\xff" * 5000]


def values(field: FieldDescriptor) -> list[Any]:
    """What a field might hold that nobody reckons with."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return BYTES if field.type == FieldDescriptor.TYPE_BYTES else TEXTS
    return VALUES[field.cpp_type]


def is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def spoilt(message: Message, path: str = "") -> Iterator[tuple[str, Any]]:
    """Copies of a message, each with one field of it, or of a message inside, out of the way."""
    for field in message.DESCRIPTOR.fields:
        at = f"{path}.{field.name}".lstrip(".")
        if is_map(field):
            continue
        if field.message_type is not None:
            inner = field.message_type._concrete_class()
            for where, bad in [("", inner), *spoilt(inner, at)]:
                copy = type(message)()
                copy.CopyFrom(message)
                if field.is_repeated:
                    for count in (1,) if where else (1, 300):
                        many = type(message)()
                        many.CopyFrom(copy)
                        getattr(many, field.name).extend([bad] * count)
                        yield f"{where or at}*{count}", many
                else:
                    getattr(copy, field.name).CopyFrom(bad)
                    yield where or at, copy
            continue
        for value in values(field):
            copy = type(message)()
            copy.CopyFrom(message)
            if field.is_repeated:
                getattr(copy, field.name).extend([value] * (1 if value in TEXTS[4:5] else 300))
            else:
                setattr(copy, field.name, value)
            yield f"{at}={str(value)[:20]!r}", copy


def plausible(method: Method) -> Any:
    """A message that asks for something."""
    message: Any = method.request()
    name = method.path.rpartition("/")[2]
    if name == "ChatCompletion":
        message.messages.add(role=2).content.add(text="Why?")
    elif name == "StreamChatCompletion":
        message.completion.messages.add(role=2).content.add(text="Why?")
    elif name in ("Completion", "StreamCompletion"):
        (message if name == "Completion" else message.completion).prompts.add(text="Once")
    elif name == "Embed" and not method.uploads:
        message.inputs.add(text="Why?")
    elif name == "Synthesize":
        message.input = "Hello."
    elif name == "WriteLyrics":
        message.lines = 1
    elif name == "Generate":
        message.prompt = "A fox."
    elif name == "CreateJob":
        message.config.training_file = "file-none"
    elif name == "RepeatSong":
        message.job_id, message.step = "song_none", 3
    return message


def uploads(method: Method) -> Iterator[tuple[str, list[Any]]]:
    """Uploads with a config out of range, then a recording; and messages out of order."""
    kind: Any = method.request
    data = "audio" if "audio" in kind.DESCRIPTOR.fields_by_name else "data"
    config = kind.DESCRIPTOR.fields_by_name["config"].message_type._concrete_class()
    audio = kind(**{data: CLIP})
    for where, bad in spoilt(config):
        yield where, [kind(config=bad), audio]
    first = kind(config=config)
    yield "no config", [audio]
    yield "two configs", [first, first, audio]
    yield "nothing in it", [kind(), audio]
    yield "nothing after it", [first, kind()]
    yield "no recording", [first]
    for bad in BYTES:
        yield f"recording {bad[:8]!r}", [first, kind(**{data: bad})]


async def outcome(channel: grpc.aio.Channel, method: Method, messages: list[Any]) -> Any:
    """The code of a call, and what was said."""
    while True:
        code, said = await _tried(channel, method, messages)
        # A client's own words: the service ended the call while more was sent, and what it said is
        # lost, as the next message failed first.
        if not said.startswith("Internal error from Core"):
            return code, said


async def _tried(
    channel: grpc.aio.Channel, method: Method, messages: list[Any]
) -> tuple[grpc.StatusCode, str]:

    async def sent() -> AsyncIterator[Any]:
        for message in messages:
            yield message

    multi: Any = channel.stream_stream(
        method.path, request_serializer=lambda message: message.SerializeToString()
    )
    metadata = RequestContext("req_fuzz", "somebody").metadata()
    call = multi(sent(), metadata=metadata, timeout=20)
    try:
        # Whoever works has understood: that is enough.
        await call.read()
        code, said = grpc.StatusCode.OK, ""
        if call.done():
            code, said = await call.code(), await call.details()
    except grpc.aio.AioRpcError as failure:
        code, said = failure.code(), failure.details() or ""
    finally:
        call.cancel()
    return code, said


@asynccontextmanager
async def served(capability: str, home: Path) -> AsyncIterator[grpc.aio.Channel]:
    if capability == "training":
        async with trainings.staged(home) as training:
            yield training.caller.channel
    elif capability == "song":
        # Whatever is accepted stays where it begins: a song takes its time.
        async with songs.staged(home, Script(holding={"emotion", "lyrics", "melody"})) as song:
            yield song.caller.channel
    else:
        container, settings = CONTAINERS[capability]
        told = settings(ORFEON_HOME=home / "home", address=f"unix:{home / 's'}", engine="fake")
        async with running(container, told) as channel:
            yield channel


def test_every_capability_is_asked() -> None:
    assert {method.capability for method in METHODS.values()} <= {*CAPABILITIES, ""}


@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_no_message_is_a_fault_of_ours(capability: str, tmp_path: Path) -> None:
    faults = []
    async with served(capability, tmp_path) as channel:
        for method in METHODS.values():
            if method.capability != capability:
                continue
            cases = (
                uploads(method)
                if method.uploads
                else ((where, [bad]) for where, bad in spoilt(plausible(method)))
            )
            for where, messages in cases:
                code, said = await outcome(channel, method, messages)
                if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
                    faults.append(f"{method.path} {where}: {code.name} {said}")
        await asyncio.sleep(0)
    assert faults == []
