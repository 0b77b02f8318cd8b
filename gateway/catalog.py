"""The models of all services together, remembered while a service is away."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, get_args

from gateway.schemas.models import Model, ModelState
from orfeon.api.models.v1 import models_pb2
from services.runtime.errors import ModelNotFound, OrfeonError, ServiceUnavailable

_STATES: dict[int, ModelState] = {
    models_pb2.MODEL_STATE_UNLOADED: "unloaded",
    models_pb2.MODEL_STATE_WAITING: "waiting",
    models_pb2.MODEL_STATE_LOADING: "loading",
    models_pb2.MODEL_STATE_LOADED: "loaded",
    models_pb2.MODEL_STATE_UNLOADING: "unloading",
    models_pb2.MODEL_STATE_FAILED: "failed",
}

#: What is known of a model in memory, as long as its service is there.
_OfMemory = Literal[
    "state", "progress", "resident_bytes", "device", "loaded_at", "in_use", "expires_at"
]


class ModelSource(Protocol):
    """Where the lists come from."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The capabilities that there is a service for."""

    async def models(self, capability: str) -> list[models_pb2.Model]:
        """The models of one service. Raises `OrfeonError`."""


class Catalog:
    """The models, asked for again when the last answer is older than `fresh_seconds`."""

    def __init__(
        self,
        source: ModelSource,
        *,
        fresh_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._known: dict[str, list[models_pb2.Model]] = {}
        self._asked = -float("inf")
        self._lock = asyncio.Lock()

    async def list(self) -> "list[Model]":
        """Every model as HTTP shows it. Raises what `messages` does."""
        return [public(model) for model in await self.messages()]

    async def messages(self) -> Sequence[models_pb2.Model]:
        """Every model, by capability; of those of a service that is away nobody knows the state.

        Raises `ServiceUnavailable` when no service has ever answered.
        """
        async with self._lock:
            if self._clock() - self._asked >= self._fresh_seconds:
                await asyncio.gather(*map(self._ask, self._source.capabilities))
                if self._known:
                    self._asked = self._clock()
        if not self._known and self._source.capabilities:
            raise ServiceUnavailable("No service is up yet; try again shortly.", retry_after=1.0)
        return [model for name in self._source.capabilities for model in self._known.get(name, [])]

    async def find(self, name: str) -> Model:
        """The model of an id or alias. Raises `ModelNotFound`."""
        models = await self.list()
        for model in models:
            if model["id"] == name:
                return model
        for model in models:
            if name in model["capabilities"]["aliases"]:
                return model
        raise ModelNotFound(
            "There is no such model here. GET /v1/models lists them.", param="model"
        )

    async def forget(self) -> None:
        """Asks again next time, however fresh the last answer is: a model has come or gone."""
        async with self._lock:
            self._asked = -float("inf")

    async def _ask(self, capability: str) -> None:
        try:
            models = await self._source.models(capability)
        except OrfeonError:
            # What it had in memory may be gone with it, and be another's by now.
            self._known = {
                name: list(map(_away, known)) if name == capability else known
                for name, known in self._known.items()
            }
            return
        self._known[capability] = models


def _away(model: models_pb2.Model) -> models_pb2.Model:
    known = models_pb2.Model()
    known.CopyFrom(model)
    for fact in get_args(_OfMemory):
        known.ClearField(fact)
    return known


def public(model: models_pb2.Model) -> Model:
    """A model as the gateway shows it."""
    loading = model.state == models_pb2.MODEL_STATE_LOADING
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "capabilities": {
            "capability": model.capability,
            "tasks": list(model.tasks),
            "aliases": list(model.aliases),
            "base": model.base or None,
            "default": model.is_default,
            "state": _STATES.get(model.state, "unknown"),
            "progress": round(model.progress, 3) if loading else None,
            "resident_bytes": model.resident_bytes,
            "device": model.device or None,
            "gpu_layers": model.gpu_layers,
            "loaded_at": model.loaded_at or None,
            "in_use": model.in_use,
            "expires_at": model.expires_at or None,
            "pinned": model.pinned,
            "context_length": model.context_length or None,
            "languages": list(model.languages),
            "voices": list(model.voices),
            "labels": list(model.labels),
            "classifies": model.classifies or None,
            "licence": model.licence,
            "commercial_use": model.commercial_use if model.HasField("commercial_use") else None,
            "provenance": model.provenance,
        },
    }
