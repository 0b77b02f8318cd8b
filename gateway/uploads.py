"""Recordings on their way from a form to a service, in constant memory."""

from collections.abc import AsyncIterator

from starlette.datastructures import UploadFile

from services.runtime.errors import InvalidAudio

MESSAGE_BYTES = 256 * 1024


def refuse_empty(file: UploadFile) -> None:
    """Raises `InvalidAudio` for a file without a byte."""
    if not file.size:
        raise InvalidAudio("The file is empty.", param="file")


async def messages_of(file: UploadFile) -> AsyncIterator[bytes]:
    """The file's bytes, as many at a time as one message carries."""
    while data := await file.read(MESSAGE_BYTES):
        yield data
