"""Receives a recording that a client streams: one `config` message, then `audio` messages.

Recordings are kept in memory and nowhere else: what people say is never written to a disk.
"""

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import BinaryIO, Protocol, TypeVar

from services.runtime.errors import ContentTooLarge, InvalidRequest, OrfeonError, Overloaded

Config = TypeVar("Config")
Config_co = TypeVar("Config_co", covariant=True)


class UploadPart(Protocol[Config_co]):
    """A request message of any contract that streams a recording (`oneof part`)."""

    @property
    def config(self) -> Config_co: ...
    @property
    def audio(self) -> bytes: ...


class Uploads:
    """The recordings that a container holds at once.

    Each may have `limit_bytes`, all together `memory_bytes`; one that is alone always has room.
    """

    def __init__(self, limit_bytes: int, memory_bytes: int) -> None:
        self._limit = limit_bytes
        self._memory = memory_bytes
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes that recordings take now."""
        return self._held

    @asynccontextmanager
    async def received(
        self,
        parts: AsyncIterator[UploadPart[Config]],
        check: Callable[[Config], object] = lambda _config: None,
    ) -> AsyncIterator[tuple[Config, BinaryIO]]:
        """Yields the config and the whole recording as a file at its start.

        `check` sees the config before the recording is kept, and may refuse it. The file is gone
        when the block ends. Raises `InvalidRequest` for messages out of order, `ContentTooLarge`
        as soon as the limit is passed, and `Overloaded` where others take the memory.
        """
        first = await anext(aiter(parts), None)
        if first is None or first.WhichOneof("part") != "config":  # type: ignore[attr-defined]
            raise InvalidRequest("The first message of the stream must hold `config`.")
        size = 0
        try:
            with io.BytesIO() as file:
                try:
                    check(first.config)
                    async for part in parts:
                        data = audio_of(part)
                        self._check_room(size, len(data))
                        size += len(data)
                        self._held += len(data)
                        file.write(data)
                except OrfeonError:
                    await self._read_off(parts)
                    raise
                file.seek(0)
                yield first.config, file
        finally:
            self._held -= size

    def _check_room(self, size: int, more: int) -> None:
        if size + more > self._limit:
            raise ContentTooLarge(
                f"The file is larger than the limit of {self._limit} bytes.", param="file"
            )
        if self._held > size and self._held + more > self._memory:
            raise Overloaded(
                "As many recordings are held here as there is memory for; try again shortly.",
                retry_after=1.0,
            )

    async def _read_off(self, parts: AsyncIterator[UploadPart[Config]]) -> None:
        """Reads what is still on its way, up to the limit, and keeps none of it.

        A client of gRPC's asyncio that is refused while it sends hears of an internal error
        instead of the refusal, so it is let finish first.
        """
        size = 0
        async for part in parts:
            size += len(part.audio)
            if size > self._limit:
                return


def audio_of(part: UploadPart[Config]) -> bytes:
    """The bytes in a message after the first. Raises `InvalidRequest` for one without."""
    if part.WhichOneof("part") != "audio":  # type: ignore[attr-defined]
        raise InvalidRequest("Every message after the first must hold `audio`.")
    return part.audio
