"""Routes that admit a request by its headers before they read its body."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from services.runtime.errors import UnsupportedMediaType

Body = Literal["none", "json", "form"]

#: Most parts of a form; a file each is held in memory up to a megabyte, then on disk.
_MAX_FILES = 1
_MAX_FIELDS = 64


@dataclass(frozen=True, slots=True)
class Guard:
    """What a family of routes asks of a request: a key with this scope, a body of this kind.

    `scope` is None where any key will do.
    """

    gatekeeper: Gatekeeper
    scope: str | None
    body: Body = "none"

    def route_class(self) -> type[APIRoute]:
        """The class of route that asks it."""
        guard = self

        class GuardedRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                answer = super().get_route_handler()

                async def guarded(request: Request) -> Response:
                    await guard.check(request)
                    return await answer(request)

                return guarded

        return GuardedRoute

    async def check(self, request: Request) -> None:
        """Admits a request, then reads its body. Raises `OrfeonError`."""
        await self.gatekeeper.admit(
            exchange_of(request.scope),
            request.headers,
            self.scope,
            metered=self.body != "none",
        )
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.body == "json":
            if media_type != "application/json":
                raise UnsupportedMediaType(
                    "Send the body as JSON, with the header `content-type: application/json`."
                )
            await request.body()
        elif self.body == "form":
            if media_type != "multipart/form-data":
                raise UnsupportedMediaType(
                    "Send the body as a form, with the header `content-type: multipart/form-data`."
                )
            await request.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS)
