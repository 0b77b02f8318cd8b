"""The `ModelService` that every container serves beside its own contract."""

from typing import Any, Protocol

import grpc

from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from services.runtime.errors import ModelNotFound
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency import Facts, State

STATES = {
    State.UNLOADED: models_pb2.MODEL_STATE_UNLOADED,
    State.WAITING: models_pb2.MODEL_STATE_WAITING,
    State.LOADING: models_pb2.MODEL_STATE_LOADING,
    State.LOADED: models_pb2.MODEL_STATE_LOADED,
    State.UNLOADING: models_pb2.MODEL_STATE_UNLOADING,
    State.FAILED: models_pb2.MODEL_STATE_FAILED,
}


class Models(Protocol):
    """The models of one container; `ModelHost` is this."""

    @property
    def registry(self) -> Registry:
        """Those that there are."""

    def facts(self, manifest: Manifest) -> Facts:
        """Where a model is in its life."""

    async def load(self, name: str, *, pinned: bool | None) -> None:
        """Returns once the model is in memory. Raises `OrfeonError`."""

    async def unload(self, name: str) -> None:
        """Returns once the model's memory is free. Raises `OrfeonError`."""


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Lists the models of a host, loads and unloads them."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def ListModels(
        self,
        request: models_pb2.ListModelsRequest,
        context: grpc.aio.ServicerContext[
            models_pb2.ListModelsRequest, models_pb2.ListModelsResponse
        ],
    ) -> models_pb2.ListModelsResponse:
        """Every model of this container and where it is in its life."""
        self._models.registry.discover()
        return models_pb2.ListModelsResponse(
            models=[self._shown(manifest) for manifest in self._models.registry.list()]
        )

    async def LoadModel(
        self, request: models_pb2.LoadModelRequest, context: Any
    ) -> models_pb2.LoadModelResponse:
        """Loads a model, by its id or an alias; the caller who leaves does not end the load."""
        manifest = self._models.registry.get(request.id)
        pinned = request.pinned if request.HasField("pinned") else None
        await self._models.load(manifest.name, pinned=pinned)
        return models_pb2.LoadModelResponse(model=self._shown(manifest))

    async def UnloadModel(
        self, request: models_pb2.UnloadModelRequest, context: Any
    ) -> models_pb2.UnloadModelResponse:
        """Unloads a model, by its id or an alias."""
        manifest = self._models.registry.get(request.id)
        await self._models.unload(manifest.name)
        return models_pb2.UnloadModelResponse(model=self._shown(manifest))

    def _shown(self, manifest: Manifest) -> models_pb2.Model:
        facts = self._models.facts(manifest)
        return models_pb2.Model(
            id=manifest.name,
            aliases=manifest.aliases,
            capability=manifest.capability,
            tasks=manifest.tasks,
            created=self._models.registry.created(manifest),
            owned_by=manifest.owned_by,
            licence=manifest.licence,
            languages=manifest.languages,
            voices=manifest.voices,
            labels=manifest.labels,
            classifies=manifest.classifies,
            provenance=manifest.provenance,
            commercial_use=manifest.commercial_use,
            context_length=manifest.context_length,
            state=STATES[facts.state],
            resident_bytes=0 if manifest.base else facts.bytes,
            base=manifest.base or "",
            is_default=manifest.default,
            progress=facts.progress,
            device=facts.device,
            gpu_layers=facts.gpu_layers,
            loaded_at=int(facts.since),
            in_use=facts.in_use,
            expires_at=int(facts.expires or 0),
            pinned=facts.pinned,
        )


class NoModels(models_pb2_grpc.ModelServiceServicer):
    """The models of a process without any; `why` is the sentence for who asks for one."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Any
    ) -> models_pb2.ListModelsResponse:
        """None."""
        return models_pb2.ListModelsResponse()

    async def LoadModel(
        self, request: models_pb2.LoadModelRequest, context: Any
    ) -> models_pb2.LoadModelResponse:
        """Raises `ModelNotFound`."""
        raise ModelNotFound(self._why, param="model")

    async def UnloadModel(
        self, request: models_pb2.UnloadModelRequest, context: Any
    ) -> models_pb2.UnloadModelResponse:
        """Raises `ModelNotFound`."""
        raise ModelNotFound(self._why, param="model")
