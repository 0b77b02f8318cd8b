"""Recordings on their way from a form to a service, in constant memory."""

import asyncio
import threading
from collections.abc import AsyncIterator

from starlette.datastructures import UploadFile

from services.runtime.errors import InvalidAudio

MESSAGE_BYTES = 256 * 1024


class Recording:
    """An uploaded file that can be sent again from its start. Raises `InvalidAudio` if it is empty.

    The sender of a call that has failed may still be reading when the next one begins, so each
    keeps its own place in the file.
    """

    def __init__(self, file: UploadFile, field: str = "file") -> None:
        if not file.size:
            raise InvalidAudio("The file is empty.", param=field)
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
