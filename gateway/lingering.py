"""Refusals of bodies that are still on their way: heard by the client, and soon the end of it."""

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: A body up to this size is on its way anyhow; the server reads it off and the connection lives on.
SMALL = 1 << 20
#: How long a client that still sends has to notice the answer, seconds.
PATIENCE = 5.0


class Lingering:
    """Answers a large body that nobody will read, goes on reading for a moment, then hangs up.

    To hang up at once would reset the connection, and the answer would be lost to clients that
    send before they listen; to read on for ever would let a client send a terabyte.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_large(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        unread = True

        async def watched_receive() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def lingering_send(message: Message) -> None:
            starts = message["type"] == "http.response.start"
            if unread and starts:
                MutableHeaders(raw=message["headers"])["connection"] = "close"
            if not unread or starts or message.get("more_body", False):
                await send(message)
                return
            await send({**message, "more_body": True})
            try:
                async with asyncio.timeout(PATIENCE):
                    while unread:
                        await watched_receive()
            except TimeoutError:
                pass
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, watched_receive, lingering_send)


def _is_large(headers: Headers) -> bool:
    declared = headers.get("content-length", "")
    if declared.isdecimal():
        return int(declared) > SMALL
    return "transfer-encoding" in headers
