"""Routes that admit a request by its headers before they read its body."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.memory import FIELD_BYTES, read_form
from services.runtime.errors import UnsupportedMediaType

Body = Literal["none", "json", "form", "json or form", "streamed form"]

JSON, FORM = "application/json", "multipart/form-data"
_MEDIA_TYPES: dict[Body, tuple[str, ...]] = {
    "json": (JSON,),
    "form": (FORM,),
    "json or form": (JSON, FORM),
    "streamed form": (FORM,),
}
_NAMES: dict[Body, str] = {
    "json": "JSON",
    "form": "a form",
    "json or form": "JSON or a form",
    "streamed form": "a form",
}

#: Most fields of a form.
_MAX_FIELDS = 64


@dataclass(frozen=True, slots=True)
class Guard:
    """What a family of routes asks of a request: a key with this scope, a body of this kind.

    `scope` is None where any key will do. A form may have so many `files`, and fields of so many
    bytes; a streamed one is left for the route to read.
    """

    gatekeeper: Gatekeeper
    scope: str | None
    body: Body = "none"
    files: int = 1
    field_bytes: int = FIELD_BYTES

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
        if self.body == "none":
            return
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in _MEDIA_TYPES[self.body]:
            known = " or ".join(f"`content-type: {known}`" for known in _MEDIA_TYPES[self.body])
            raise UnsupportedMediaType(
                f"Send the body as {_NAMES[self.body]}, with the header {known}."
            )
        if media_type == JSON:
            await request.body()
        elif self.body != "streamed form":
            await read_form(
                request,
                self.gatekeeper.uploads,
                files=self.files,
                fields=_MAX_FIELDS,
                field_bytes=self.field_bytes,
            )
