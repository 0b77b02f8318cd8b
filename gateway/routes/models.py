"""`/v1/models`."""

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.catalog import Catalog
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.schemas.models import Model, ModelList

EXAMPLE: Model = {
    "id": "smollm2-135m-instruct",
    "object": "model",
    "created": 1_760_000_000,
    "owned_by": "HuggingFaceTB",
    "capabilities": {
        "capability": "chat",
        "tasks": ["chat", "embedding"],
        "base": None,
        "aliases": [],
        "default": True,
        "state": "loaded",
        "progress": None,
        "resident_bytes": 180_000_000,
        "device": "cpu",
        "gpu_layers": 0,
        "loaded_at": 1_760_000_100,
        "in_use": 1,
        "expires_at": None,
        "pinned": False,
        "context_length": 8192,
        "languages": ["en"],
        "voices": [],
        "labels": [],
        "classifies": None,
        "licence": "Apache-2.0",
        "commercial_use": True,
        "provenance": "",
    },
}
_LIST_EXAMPLE: ModelList = {"object": "list", "data": [EXAMPLE]}


def models_router(gatekeeper: Gatekeeper, catalog: Catalog) -> APIRouter:
    """The routes of the model list."""
    guard = Guard(gatekeeper, "models")
    router = APIRouter(route_class=guard.route_class(), tags=["models"])

    @router.get(
        "/v1/models",
        summary="List the models",
        response_model=ModelList,
        responses={
            200: {"content": {"application/json": {"example": _LIST_EXAMPLE}}},
            **failures(401, 403, 500, 503),
        },
    )
    async def list_models(
        task: Annotated[str, Query(description="Those that do this task alone.")] = "",
        capability: Annotated[str, Query(description="Those of this service alone.")] = "",
    ) -> ModelList:
        """Every model of every service, in memory or not; a service that is down as last seen."""
        models = [
            model
            for model in await catalog.list()
            if (not task or task in model["capabilities"]["tasks"])
            and (not capability or capability == model["capabilities"]["capability"])
        ]
        return {"object": "list", "data": models}

    @router.get(
        "/v1/models/{model:path}",
        summary="Show a model",
        response_model=Model,
        responses={
            200: {"content": {"application/json": {"example": EXAMPLE}}},
            **failures(401, 403, 404, 500, 503),
        },
    )
    async def get_model(model: str) -> Model:
        """One model, by its id or an alias."""
        return await catalog.find(model)

    return router
