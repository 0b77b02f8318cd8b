"""Receives a recording that a client streams: one `config` message, then `audio` messages."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import BinaryIO, Protocol, TypeVar, cast

from services.runtime.errors import ContentTooLarge, InvalidRequest, OrfeonError
from services.runtime.storage import storing

#: Files up to this size stay in memory; larger ones go to an unnamed temporary file.
IN_MEMORY_BYTES = 1 << 20

Config = TypeVar("Config")
Config_co = TypeVar("Config_co", covariant=True)


class UploadPart(Protocol[Config_co]):
    """A request message of any contract that streams a recording (`oneof part`)."""

    @property
    def config(self) -> Config_co: ...
    @property
    def audio(self) -> bytes: ...


@asynccontextmanager
async def received(
    parts: AsyncIterator[UploadPart[Config]],
    limit_bytes: int,
    check: Callable[[Config], object] = lambda _config: None,
) -> AsyncIterator[tuple[Config, BinaryIO]]:
    """Yields the config and the whole recording as a file at its start.

    `check` sees the config before the recording is kept, and may refuse it. The file has no name
    and is gone when the block ends. Raises `InvalidRequest` for messages out of order,
    `ContentTooLarge` as soon as the limit is passed, and `InsufficientStorage`.
    """
    first = await anext(aiter(parts), None)
    if first is None or first.WhichOneof("part") != "config":  # type: ignore[attr-defined]
        raise InvalidRequest("The first message of the stream must hold `config`.")
    try:
        check(first.config)
    except OrfeonError:
        await _read_off(parts, limit_bytes)
        raise
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
        size = 0
        async for part in parts:
            if part.WhichOneof("part") != "audio":  # type: ignore[attr-defined]
                raise InvalidRequest("Every message after the first must hold `audio`.")
            size += len(part.audio)
            if size > limit_bytes:
                await _read_off(parts, limit_bytes)
                raise ContentTooLarge(
                    f"The file is larger than the limit of {limit_bytes} bytes.", param="file"
                )
            with storing():
                file.write(part.audio)
        file.seek(0)
        yield first.config, cast(BinaryIO, file)


async def _read_off(parts: AsyncIterator[UploadPart[Config]], limit_bytes: int) -> None:
    """Reads what is still on its way, up to `limit_bytes`, and keeps none of it.

    A client of gRPC's asyncio that is refused while it sends hears of an internal error instead of
    the refusal, so it is let finish first.
    """
    size = 0
    async for part in parts:
        size += len(part.audio)
        if size > limit_bytes:
            return
