"""`/v1/models/{id}/load` and `/unload`: which models are in memory, by hand."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Body, Request

from gateway.catalog import Catalog, public
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.retry import Retries
from gateway.routes.models import EXAMPLE
from gateway.schemas.models import LoadRequest, Model
from gateway.streaming import while_connected
from gateway.upstreams import Upstreams
from orfeon.api.models.v1 import models_pb2
from services.runtime.connection import answer
from services.runtime.context import RequestContext

if TYPE_CHECKING:
    from orfeon.api.models.v1.models_pb2_grpc import ModelServiceAsyncStub

#: A call to the service of a model's id.
Ask = Callable[
    ["ModelServiceAsyncStub", str, RequestContext],
    Awaitable[models_pb2.LoadModelResponse | models_pb2.UnloadModelResponse],
]

_LOADS = {
    "pinned": {"summary": "Load it and keep it in memory", "value": {"pinned": True}},
    "as is": {"summary": "Load it, and leave the rest as it is", "value": {}},
}
_UNLOADED: Model = {
    **EXAMPLE,
    "capabilities": {
        **EXAMPLE["capabilities"],
        "state": "unloaded",
        "resident_bytes": 0,
        "device": None,
        "loaded_at": None,
        "in_use": 0,
    },
}


def residency_router(
    gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries, catalog: Catalog
) -> APIRouter:
    """The routes that load and unload models, for admin keys."""
    guard = Guard(gatekeeper, "admin")
    router = APIRouter(route_class=guard.route_class(), tags=["models"])

    async def asked(request: Request, name: str, ask: Ask) -> Model:
        """The model of an id or alias, after what is asked of its service."""
        context = gatekeeper.context(exchange_of(request.scope))
        found = await catalog.find(name)
        capability = found["capabilities"]["capability"]
        try:
            async with while_connected(request.receive):
                changed = await retries.whole(
                    capability,
                    context,
                    lambda: answer(ask(upstreams.manager(capability), found["id"], context)),
                )
        finally:
            await catalog.forget()
        return public(changed.model)

    @router.post(
        "/v1/models/{model:path}/load",
        summary="Load a model",
        response_model=Model,
        responses={
            200: {"content": {"application/json": {"example": EXAMPLE}}},
            **failures(400, 401, 403, 404, 429, 500, 503, 504),
        },
    )
    async def load_model(
        request: Request,
        model: str,
        body: Annotated[LoadRequest | None, Body(openapi_examples=_LOADS)] = None,
    ) -> Model:
        """Answers once the model is in memory. A client that leaves does not end the load."""
        pinned = body.pinned if body else None
        return await asked(
            request,
            model,
            lambda service, name, context: service.LoadModel(
                models_pb2.LoadModelRequest(id=name, pinned=pinned),
                metadata=context.metadata(),
                timeout=context.timeout(),
            ),
        )

    @router.post(
        "/v1/models/{model:path}/unload",
        summary="Unload a model",
        response_model=Model,
        responses={
            200: {"content": {"application/json": {"example": _UNLOADED}}},
            **failures(401, 403, 404, 500, 503, 504),
        },
    )
    async def unload_model(request: Request, model: str) -> Model:
        """Answers once its memory is free; requests that it is working on end first."""
        return await asked(
            request,
            model,
            lambda service, name, context: service.UnloadModel(
                models_pb2.UnloadModelRequest(id=name),
                metadata=context.metadata(),
                timeout=context.timeout(),
            ),
        )

    return router
