"""What a client sends before it is answered: read, checked, held, and named where it must be."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError, Message

from gateway.calls import named
from gateway.exchange import Exchange
from gateway.memory import UploadMemory
from gateway.rpc.methods import Method
from gateway.rpc.wire import Wire
from orfeon.api.song.v1 import song_pb2
from orfeon.api.training.v1 import training_pb2
from services.runtime.errors import ContentTooLarge, InvalidRequest

#: What a message takes beside its bytes.
_OVERHEAD = 64
#: Room that is asked for at a time.
_ROOM = 256 * 1024


def check(method: Method, message: bytes) -> None:
    """Raises `InvalidRequest` for bytes that are no message of the method."""
    try:
        method.request.FromString(message)
    except DecodeError:
        raise InvalidRequest(
            f"The message cannot be read; its type must be {method.request.DESCRIPTOR.full_name}, "
            "with texts in UTF-8."
        ) from None


async def one(method: Method, wire: Wire, most: int) -> bytes:
    """The only message of a call, of at most so many bytes."""
    message = await wire.read()
    if message is None:
        raise _empty(method)
    if len(message) > most:
        raise ContentTooLarge(f"The message is larger than the limit of {most:,} bytes.")
    check(method, message)
    return message


async def several(
    method: Method, wire: Wire, most: int, memory: UploadMemory, exchange: Exchange
) -> list[bytes]:
    """All messages of an upload, of at most so many bytes together.

    They are held in `memory` until the exchange ends. Raises `Overloaded` where it is full.
    """
    messages: list[bytes] = []
    size = room = 0
    while (message := await wire.read()) is not None:
        check(method, message)
        size += len(message) + _OVERHEAD
        if size > most:
            raise ContentTooLarge(f"The upload is larger than the limit of {most:,} bytes.")
        if size > room:
            memory.hold(exchange, more := max(size - room, _ROOM))
            room += more
        messages.append(message)
    if not messages:
        raise _empty(method)
    return messages


def _empty(method: Method) -> InvalidRequest:
    return InvalidRequest(
        f"The call has no message; send one of type {method.request.DESCRIPTOR.full_name}."
    )


async def again(messages: Sequence[bytes]) -> AsyncIterator[bytes]:
    """The messages, from the first on."""
    for message in messages:
        yield message


def _name_song(message: Any) -> None:
    if message.HasField("config"):
        message.config.idempotency_key = named(message.config.idempotency_key)


def _name_repetition(message: Any) -> None:
    message.idempotency_key = named(message.idempotency_key)


def _name_job(message: Any) -> None:
    message.config.idempotency_key = named(message.config.idempotency_key)


_NAMING: Mapping[type[Message], Callable[[Any], None]] = {
    song_pb2.CreateSongRequest: _name_song,
    song_pb2.RepeatSongRequest: _name_repetition,
    training_pb2.CreateJobRequest: _name_job,
}


def with_name(method: Method, first: bytes) -> bytes:
    """The first message of a call; what must not be made twice has a name in it afterwards."""
    if (name := _NAMING.get(method.request)) is None:
        return first
    message = method.request.FromString(first)
    name(message)
    return message.SerializeToString()
