"""Forms read into memory: what people record is never written to a disk of the gateway's."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from gateway.exchange import Exchange, exchange_of
from services.runtime.errors import InvalidRequest, Overloaded

#: Seconds in which something of a body has to come: who sends nothing holds memory all the same.
STALLED = 60.0
#: What a form's field may have that is no file, bytes.
FIELD_BYTES = 1 << 20


class UploadMemory:
    """The bytes of all uploads that the gateway holds at once.

    `limit` is the most, except of one upload alone, for which there is a limit of its own.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes that uploads hold now, or will when they have come."""
        return self._held

    def hold(self, exchange: Exchange, size: int) -> None:
        """Takes room for `size` bytes until the exchange has ended.

        Raises `Overloaded` where there is none.
        """
        if self._held and self._held + size > self._limit:
            raise Overloaded(
                "The gateway holds as many uploads as it has memory for; try again shortly.",
                retry_after=1.0,
            )
        self._held += size
        exchange.ended.append(lambda: self._release(size))

    def _release(self, size: int) -> None:
        self._held -= size


class _InMemory(MultiPartParser):
    #: No size at which a file goes to a disk.
    spool_max_size = 0


async def read_form(
    request: Request,
    memory: UploadMemory,
    *,
    files: int,
    fields: int,
    field_bytes: int = FIELD_BYTES,
) -> None:
    """Reads the form of a request, which has it from then on, as `request.form()`.

    What it says that it takes is taken before the first byte is read; what does not say it, as it
    comes. Raises `Overloaded`, and `InvalidRequest` where nothing comes for a minute.
    """
    exchange = exchange_of(request.scope)
    declared = request.headers.get("content-length", "")
    known = declared.isdecimal()
    if known:
        memory.hold(exchange, int(declared))
    try:
        async with aclosing(pieces_of(request)) as pieces:
            parser = _InMemory(
                request.headers,
                pieces if known else _held(pieces, memory, exchange),
                max_files=files,
                max_fields=fields,
                max_part_size=field_bytes,
            )
            request._form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from error


async def _held(
    pieces: AsyncGenerator[bytes, None], memory: UploadMemory, exchange: Exchange
) -> AsyncGenerator[bytes, None]:
    async for piece in pieces:
        memory.hold(exchange, len(piece))
        yield piece


async def pieces_of(request: Request) -> AsyncGenerator[bytes, None]:
    """A body as it comes. Raises `InvalidRequest` where nothing comes for a minute."""
    async with aclosing(request.stream()) as stream:
        while True:
            try:
                async with asyncio.timeout(STALLED):
                    piece = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise InvalidRequest(
                    f"Nothing of the body has come for {STALLED:.0f} s; send it again."
                ) from None
            yield piece
