"""Which models are in memory, by hand: asked of the service that has the model."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gateway.catalog import Catalog
from gateway.retry import Retries
from gateway.upstreams import Upstreams
from orfeon.api.models.v1 import models_pb2
from services.runtime.connection import answer
from services.runtime.context import RequestContext

if TYPE_CHECKING:
    from orfeon.api.models.v1.models_pb2_grpc import ModelServiceAsyncStub

#: A call to the service of a model's id.
_Ask = Callable[
    ["ModelServiceAsyncStub", str],
    Awaitable[models_pb2.LoadModelResponse | models_pb2.UnloadModelResponse],
]


class Residency:
    """Loads and unloads models. Both raise `OrfeonError`, `ModelNotFound` among them."""

    def __init__(self, upstreams: Upstreams, retries: Retries, catalog: Catalog) -> None:
        self._upstreams = upstreams
        self._retries = retries
        self._catalog = catalog

    async def load(
        self, name: str, pinned: bool | None, context: RequestContext
    ) -> models_pb2.Model:
        """The model of an id or alias, once it is in memory. Who leaves does not end the load."""
        return await self._asked(
            name,
            context,
            lambda service, model: service.LoadModel(
                models_pb2.LoadModelRequest(id=model, pinned=pinned),
                metadata=context.metadata(),
                timeout=context.timeout(),
            ),
        )

    async def unload(self, name: str, context: RequestContext) -> models_pb2.Model:
        """The model of an id or alias, once its memory is free."""
        return await self._asked(
            name,
            context,
            lambda service, model: service.UnloadModel(
                models_pb2.UnloadModelRequest(id=model),
                metadata=context.metadata(),
                timeout=context.timeout(),
            ),
        )

    async def _asked(self, name: str, context: RequestContext, ask: _Ask) -> models_pb2.Model:
        found = await self._catalog.find(name)
        capability = found["capabilities"]["capability"]
        try:
            changed = await self._retries.whole(
                capability,
                context,
                lambda: answer(ask(self._upstreams.manager(capability), found["id"])),
            )
        finally:
            await self._catalog.forget()
        return changed.model
