"""`WS /v1/audio/classifications/stream`."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.websockets import WebSocket

from gateway.exchange import exchange_of
from gateway.following import Following
from gateway.gatekeeper import Gatekeeper
from gateway.schemas.following import FollowQuery
from gateway.sockets import check_origin, headers_with_key, protocol_of, refuse
from gateway.upstreams import Upstreams
from services.runtime.errors import ServiceUnavailable


def following_router(
    gatekeeper: Gatekeeper, upstreams: Upstreams, origins: Collection[str], idle: float
) -> APIRouter:
    """The route of live streams, for pages of these origins and any program.

    A stream in which no samples come for `idle` seconds is ended.
    """
    router = APIRouter(tags=["audio"])

    @router.websocket("/v1/audio/classifications/stream")
    async def follow(socket: WebSocket) -> None:
        """What a voice tells while it is heard."""
        exchange = exchange_of(socket.scope)
        try:
            check_origin(socket, origins)
            headers = headers_with_key(socket)
            await gatekeeper.admit(exchange, headers, "emotion", metered=True)
            asked = _asked(socket)
            # A stream lasts as long as its client has something to say.
            context = replace(gatekeeper.context(exchange, asked.priority), deadline=None)
            service = upstreams.emotion
        except Exception as failure:
            await refuse(socket, failure)
            return

        async def admitted() -> None:
            # Where keys cannot be looked up just now, nobody is sent away for that.
            with suppress(ServiceUnavailable):
                await gatekeeper.admit(exchange, headers, "emotion", metered=False)

        await socket.accept(protocol_of(socket))
        call = service.Follow(metadata=context.metadata())
        await Following(socket, exchange, asked, idle, admitted).run(call)

    return router


def _asked(socket: WebSocket) -> FollowQuery:
    try:
        return FollowQuery.model_validate(dict(socket.query_params))
    except ValidationError as error:
        found = [{**each, "loc": ("query", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from error
