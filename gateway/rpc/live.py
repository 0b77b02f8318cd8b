"""Calls whose messages go on as they come: nothing is held of them, and nobody can ask again."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from gateway.rpc.methods import Method
from gateway.rpc.requests import check
from gateway.rpc.wire import Wire
from services.runtime.connection import answer, answers, cancel
from services.runtime.errors import ContentTooLarge, OrfeonError, ServiceUnavailable


async def uploaded(method: Method, wire: Wire, call: Any, most: int) -> bytes:
    """What the service answers to an upload of at most so many bytes. Raises `OrfeonError`."""
    size = 0
    try:
        # Where it has ended already, it says itself why.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while (message := await wire.read()) is not None:
                check(method, message)
                size += len(message)
                if size > most:
                    raise ContentTooLarge(f"The upload is larger than the limit of {most:,} bytes.")
                await call.write(message)
            await call.done_writing()
        response: bytes = await answer(call)
        return response
    finally:
        cancel(call)


class Stream:
    """A stream in both directions, such as samples and what is heard in them.

    In `idle` seconds messages have to come, the service has to listen, and the client has to take
    what it is told. As often `admitted` is asked, which raises where the key holds no more.
    """

    def __init__(
        self, method: Method, wire: Wire, idle: float, admitted: Callable[[], Awaitable[None]]
    ) -> None:
        self._method = method
        self._wire = wire
        self._idle = idle
        self._admitted = admitted
        self._error: OrfeonError | None = None
        self._listening = asyncio.Event()

    async def run(self, call: Any) -> None:
        """Goes on until both have ended. Raises `OrfeonError`."""
        uplink = asyncio.create_task(self._listen(call))
        events = answers(call)
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    self._listening.set()
                    await self._wire.write(event, self._idle)
        except OrfeonError as error:
            # Where the client's messages are at fault, the call was cancelled for that.
            raise self._error or error from None
        finally:
            uplink.cancel()
            await asyncio.wait([uplink])

    async def _listen(self, call: Any) -> None:
        try:
            await self._forward(call)
        except OrfeonError as error:
            self._error = error
            call.cancel()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return  # The service has ended the call: who reads it hears why.

    async def _forward(self, call: Any) -> None:
        now = asyncio.get_running_loop().time
        check_again = now() + self._idle
        first = True
        while (message := await self._wire.read(self._idle)) is not None:
            check(self._method, message)
            if not first:
                await self._listened_to()
            first = False
            if now() >= check_again:
                await self._admitted()
                check_again = now() + self._idle
            await call.write(message)
        await call.done_writing()

    async def _listened_to(self) -> None:
        """Waits for the service: what is sent to one that refuses the stream hides the refusal."""
        try:
            async with asyncio.timeout(self._idle):
                await self._listening.wait()
        except TimeoutError:
            raise ServiceUnavailable(
                "The service does not answer; try again shortly.", retry_after=1.0
            ) from None
