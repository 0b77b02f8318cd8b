"""Recordings on their way from a form to a service, in constant memory."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from starlette.datastructures import UploadFile

from services.runtime.errors import InvalidAudio, InvalidRequest, OrfeonError

MESSAGE_BYTES = 256 * 1024
#: How many recordings of one request are at work at once.
_AT_ONCE = 4

T = TypeVar("T")
Message = TypeVar("Message", covariant=True)


class Recording:
    """An uploaded file that can be sent again from its start. Raises `InvalidAudio` if it is empty.

    The sender of a call that has failed may still be reading when the next one begins, so each
    keeps its own place in the file. `field` is what the file is called in what is refused.
    """

    def __init__(self, file: UploadFile, field: str = "file") -> None:
        if not file.size:
            raise InvalidAudio("The file is empty.", param=field)
        self.field = field
        self.name = file.filename or ""
        self._file = file.file
        self._size = file.size
        self._lock = threading.Lock()

    async def messages(self) -> AsyncIterator[bytes]:
        """The file's bytes, as many at a time as one message carries."""
        for place in range(0, self._size, MESSAGE_BYTES):
            yield await asyncio.to_thread(self._read, place)

    def _read(self, place: int) -> bytes:
        with self._lock:
            self._file.seek(place)
            return self._file.read(MESSAGE_BYTES)


class Parted(Protocol[Message]):
    """A message of the contract that holds a config or a piece of a recording."""

    def __call__(self, *, config: Any = ..., audio: bytes = ...) -> Message:
        """The message."""


async def parts(
    message: Parted[Message], config: Any, recording: Recording
) -> AsyncIterator[Message]:
    """What a service is sent of a recording: first how to take it, then its bytes."""
    yield message(config=config)
    async for data in recording.messages():
        yield message(audio=data)


def recordings(files: Sequence[UploadFile]) -> list[Recording]:
    """The recordings of a request, of which there must be one.

    Where there are several, each is called by its place: `file[3]`.
    """
    if not files:
        raise InvalidRequest("Required field file is missing.", param="file")
    if len(files) == 1:
        return [Recording(files[0])]
    return [Recording(file, f"file[{place}]") for place, file in enumerate(files)]


async def each(sent: Sequence[Recording], ask: Callable[[Recording], Awaitable[T]]) -> list[T]:
    """The answers for all recordings, in order; some are asked for at once.

    Raises the first `OrfeonError`, with the recording at fault as its field.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(recording: Recording) -> T:
        async with places:
            try:
                return await ask(recording)
            except OrfeonError as error:
                if error.param == "file":
                    error.param = recording.field
                raise

    tasks = [asyncio.create_task(one(recording)) for recording in sent]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
