"""One call as its client sees it: what it sends and is sent, as bytes."""

import asyncio
from typing import Any

import grpc
from starlette.datastructures import Headers

from gateway.errors import headers_of
from gateway.exchange import Exchange
from gateway.memory import STALLED
from services.runtime.context import REQUEST_ID_KEY
from services.runtime.errors import Cancelled, InvalidRequest, OrfeonError
from services.runtime.status import DETAILS_KEY, code_of, details_of

#: How long a client that is refused while it sends is read from, seconds. One of gRPC's asyncio
#: would hear of an internal error instead of the refusal.
_LINGER = 5.0


def headers_in(context: Any) -> Headers:
    """The metadata of a call, as HTTP's headers, which they are."""
    return Headers(
        raw=[
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        ]
    )


class Wire:
    """The messages of one call, of which the client may send several: then it `uploads`."""

    def __init__(self, context: Any, exchange: Exchange, *, uploads: bool) -> None:
        self._context = context
        self._exchange = exchange
        self._uploads = uploads
        self._begun = False
        # Not while a message is awaited, nor where nobody has waited for it to its end.
        self._readable = True
        self._stalled = False

    def seconds_left(self) -> float | None:
        """Time until the caller's deadline; None where there is none."""
        left: float | None = self._context.time_remaining()
        return left

    async def read(self, patience: float = STALLED) -> bytes | None:
        """The next message, None after the last.

        Raises `InvalidRequest` where nothing comes for so many seconds.
        """
        self._readable = False
        try:
            async with asyncio.timeout(patience):
                message = await self._context.read()
        except TimeoutError:
            raise InvalidRequest(
                f"Nothing has come for {patience:g} s; send the next message, or end the stream."
            ) from None
        if message is grpc.aio.EOF:
            return None
        self._readable = True
        assert isinstance(message, bytes)
        return message

    async def begin(self) -> None:
        """Sends what HTTP has in its headers, before the first message."""
        self._begun = True
        await self._context.send_initial_metadata(self._metadata())

    async def write(self, message: bytes, patience: float = STALLED) -> None:
        """Sends a message. Raises `Cancelled` where the client takes none in so many seconds."""
        try:
            async with asyncio.timeout(patience):
                if not self._begun:
                    await self.begin()
                await self._context.write(message)
        except TimeoutError:
            self._stalled = True
            raise Cancelled("The client took nothing of its answer for too long.") from None

    async def refuse(self, error: OrfeonError) -> None:
        """Ends the call with an error. Raises what gRPC wants raised then."""
        if self._stalled:
            # The status would wait behind the answer; to be cancelled drops the call.
            raise asyncio.CancelledError
        await self._read_off()
        trailers: list[tuple[str, str | bytes]] = [(DETAILS_KEY, details_of(error))]
        trailers += headers_of(error).items()
        if not self._begun:
            trailers += self._metadata()
        await self._context.abort(code_of(error), error.message, trailing_metadata=tuple(trailers))

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return ((REQUEST_ID_KEY, self._exchange.request_id), *self._exchange.headers.items())

    async def _read_off(self) -> None:
        """Reads what is still on its way, for a moment, and keeps none of it."""
        try:
            async with asyncio.timeout(_LINGER):
                while self._uploads and self._readable:
                    await self.read()
        except TimeoutError:
            pass
