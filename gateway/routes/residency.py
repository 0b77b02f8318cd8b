"""`/v1/models/{id}/load` and `/unload`: which models are in memory, by hand."""

from typing import Annotated

from fastapi import APIRouter, Body, Request

from gateway.catalog import public
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.residency import Residency
from gateway.routes.models import EXAMPLE
from gateway.schemas.models import LoadRequest, Model
from gateway.streaming import while_connected

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


def residency_router(gatekeeper: Gatekeeper, residency: Residency) -> APIRouter:
    """The routes that load and unload models, for admin keys."""
    guard = Guard(gatekeeper, "admin")
    router = APIRouter(route_class=guard.route_class(), tags=["models"])

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
        context = gatekeeper.context(exchange_of(request.scope))
        async with while_connected(request.receive):
            return public(await residency.load(model, body.pinned if body else None, context))

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
        context = gatekeeper.context(exchange_of(request.scope))
        async with while_connected(request.receive):
            return public(await residency.unload(model, context))

    return router
