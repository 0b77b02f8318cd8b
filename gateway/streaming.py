"""Answers that come piece by piece, and clients that leave before the end."""

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import envelope, error_behind
from gateway.exchange import exchange_of
from services.runtime.errors import Cancelled, OrfeonError

log = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"
#: An event that says nothing: it keeps proxies from thinking that nobody is there.
COMMENT = b":\n\n"
#: Seconds without an event before one that says nothing.
_QUIET = 15.0


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Cancels the block when the client leaves; it then ends with `Cancelled`.

    The request's body must have been read.
    """
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
        if gone:
            # The block ended before the cancellation reached it: let it arrive here.
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise Cancelled("The client left before the answer was complete.") from None
        raise
    finally:
        watcher.cancel()


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    """One server-sent event, with a name where the protocol has names."""
    named = f"event: {name}\n".encode() if name else b""
    return named + b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


async def kept_alive(
    pieces: AsyncGenerator[bytes, None], seconds: float = _QUIET
) -> AsyncGenerator[bytes, None]:
    """The pieces, and a comment wherever there is none for so many seconds."""
    async with aclosing(pieces):
        while True:
            coming = asyncio.ensure_future(anext(pieces))
            try:
                while not (await asyncio.wait([coming], timeout=seconds))[0]:
                    yield COMMENT
                piece = coming.result()
            except StopAsyncIteration:
                return
            finally:
                coming.cancel()
                await asyncio.wait([coming])
            yield piece


class _Stream(Response, ABC):
    """A response whose status waits for the first piece: until then, failures have their own."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], media_type: str) -> None:
        self._pieces = pieces
        # Starlette computes the headers; the body comes later.
        super().__init__(media_type=media_type)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, more = False, True
        try:
            async with aclosing(self._pieces), while_connected(receive):
                async for piece in self._pieces:
                    if not started:
                        started = True
                        await self._start(send)
                    more = self._goes_on(piece)
                    await send({"type": "http.response.body", "body": piece, "more_body": more})
            if not started:
                started = True
                await self._start(send)
            await self._end(send)
        except (Exception, asyncio.CancelledError) as failure:
            if not started:
                raise
            if not more:
                return  # All of it has been sent: whoever leaves now may.
            error = error_behind(failure)
            exchange_of(scope).error = error.code or error.type
            if not isinstance(error, Cancelled):
                await self._break_off(send, error)

    async def _start(self, send: Send) -> None:
        status, headers = self.status_code, self.raw_headers
        await send({"type": "http.response.start", "status": status, "headers": headers})

    def _goes_on(self, piece: bytes) -> bool:
        """Whether there is more to send after a piece, the end among it."""
        return True

    async def _end(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @abstractmethod
    async def _break_off(self, send: Send, error: OrfeonError) -> None:
        """Tells the client, as far as the medium can, that no more comes."""


class ByteStream(_Stream):
    """A file sent as it is made. A failure breaks the connection: nothing else can say so."""

    async def _break_off(self, send: Send, error: OrfeonError) -> None:
        # To return without the last message makes the server close the connection.
        log.warning("stream broken off", extra={"error": error.code})


class FileStream(ByteStream):
    """A file of a length that is known before it is sent.

    Its last piece ends the response: a client who has all of it goes on at once, and must not find
    the connection still busy.
    """

    def __init__(self, pieces: AsyncGenerator[bytes, None], media_type: str, length: int) -> None:
        super().__init__(pieces, media_type)
        self.headers["content-length"] = str(length)
        self._left = length
        self._ended = False

    def _goes_on(self, piece: bytes) -> bool:
        self._left -= len(piece)
        self._ended = self._left <= 0
        return not self._ended

    async def _end(self, send: Send) -> None:
        if not self._ended:
            await super()._end(send)


class EventStream(_Stream):
    """Server-sent events. A failure is the last event, in the envelope."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(events, "text/event-stream")
        self.headers["cache-control"] = "no-cache"
        self.headers["x-accel-buffering"] = "no"

    async def _end(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": DONE, "more_body": False})

    async def _break_off(self, send: Send, error: OrfeonError) -> None:
        data = event(envelope(error))
        await send({"type": "http.response.body", "body": data, "more_body": False})
