"""A call from its client to the service and back, by the rules that HTTP has."""

import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import Headers

from gateway.calls import Calls
from gateway.exchange import Exchange
from gateway.gatekeeper import Gatekeeper
from gateway.retry import Retries
from gateway.rpc.live import Stream, uploaded
from gateway.rpc.methods import Method
from gateway.rpc.own import OwnAnswers
from gateway.rpc.requests import again, one, several, with_name
from gateway.rpc.usage import is_output, note
from gateway.rpc.wire import Wire
from gateway.upstreams import Upstreams
from services.runtime.context import RequestContext
from services.runtime.errors import ServiceUnavailable


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call may take.

    Bytes of a message that comes alone, of an upload that is held, and of a file; and seconds that
    a live stream may be idle.
    """

    message_bytes: int
    upload_bytes: int
    file_bytes: int
    idle_seconds: float


class PublicCalls:
    """Answers calls of the public contracts."""

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        upstreams: Upstreams,
        retries: Retries,
        own: OwnAnswers,
        limits: Limits,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._upstreams = upstreams
        self._retries = retries
        self._own = own
        self._limits = limits

    async def answer(
        self, method: Method, wire: Wire, headers: Headers, exchange: Exchange
    ) -> None:
        """Admits a call, before anything is read of it, and answers it. Raises `OrfeonError`."""
        await self._gatekeeper.admit(exchange, headers, method.scope, metered=method.metered)
        context = self._context(method, exchange, wire.seconds_left())
        if not method.capability:
            await self._answer_itself(method, wire, exchange, context)
            return
        begin = self._begin(method)
        if not method.live:
            await self._ask(method, wire, exchange, context, begin)
        elif method.streams:
            await self._follow(method, wire, headers, exchange, context, begin)
        else:
            call = begin(metadata=context.metadata(), timeout=context.timeout())
            await wire.write(await uploaded(method, wire, call, self._limits.file_bytes))

    def _context(self, method: Method, exchange: Exchange, left: float | None) -> RequestContext:
        """Until the caller's deadline or ours, whichever comes first."""
        context = self._gatekeeper.context(exchange, method.priority)
        ours = None if method.lasting else context.timeout()
        seconds = min((limit for limit in (left, ours) if limit is not None), default=None)
        if seconds is None:
            return replace(context, deadline=None)
        return replace(context, deadline=time.monotonic() + seconds)

    def _begin(self, method: Method) -> Callable[..., Any]:
        """Begins a call of the service. Raises `NotFound` where there is none."""
        channel = self._upstreams.channel(method.capability)
        begin: Callable[[str], Callable[..., Any]]
        if method.uploads:
            begin = channel.stream_stream if method.streams else channel.stream_unary
        else:
            begin = channel.unary_stream if method.streams else channel.unary_unary
        return begin(method.path)

    async def _answer_itself(
        self, method: Method, wire: Wire, exchange: Exchange, context: RequestContext
    ) -> None:
        assert exchange.key is not None, "admit comes first"
        message = await one(method, wire, self._limits.message_bytes)
        await wire.write(await self._own.answer(method.request, message, context, exchange.key))

    async def _ask(
        self,
        method: Method,
        wire: Wire,
        exchange: Exchange,
        context: RequestContext,
        begin: Callable[..., Any],
    ) -> None:
        """Sends on what has come, and again where the service dies before it has answered."""
        sent = await self._received(method, wire, exchange)
        calls = Calls(method.capability, self._retries)
        async with self._gatekeeper.charging(exchange) as bill:
            if not method.streams:
                whole = await calls.ask(context, lambda **call: begin(sent(), **call))
                note(bill, method.response, whole)
                await wire.write(whole)
                return
            pieces = calls.follow(context, lambda **call: begin(sent(), **call))
            async with aclosing(pieces):
                async for piece in pieces:
                    note(bill, method.response, piece)
                    if exchange.output is None and is_output(method.response, piece):
                        exchange.began_output()
                    await wire.write(piece)

    async def _received(self, method: Method, wire: Wire, exchange: Exchange) -> Callable[[], Any]:
        """What makes the messages of the client, as often as they are needed."""
        memory = self._gatekeeper.uploads
        if not method.uploads:
            limit = self._limits.upload_bytes if method.form else self._limits.message_bytes
            message = with_name(method, await one(method, wire, limit))
            if method.form:
                memory.hold(exchange, len(message))
            return lambda: message
        messages = await several(method, wire, self._limits.upload_bytes, memory, exchange)
        messages[:1] = [with_name(method, first) for first in messages[:1]]
        return lambda: again(messages)

    async def _follow(
        self,
        method: Method,
        wire: Wire,
        headers: Headers,
        exchange: Exchange,
        context: RequestContext,
        begin: Callable[..., Any],
    ) -> None:
        async def admitted() -> None:
            # Where keys cannot be looked up just now, nobody is sent away for that.
            with suppress(ServiceUnavailable):
                await self._gatekeeper.admit(exchange, headers, method.scope, metered=False)

        stream = Stream(method, wire, self._limits.idle_seconds, admitted)
        await stream.run(begin(metadata=context.metadata(), timeout=context.timeout()))
