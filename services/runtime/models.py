"""The `ModelService` that every container serves beside its own contract."""

from typing import Any

import grpc

from orfeon.api.models.v1 import models_pb2, models_pb2_grpc
from services.runtime.host import ModelHost
from services.runtime.residency import State

STATES = {
    State.UNLOADED: models_pb2.MODEL_STATE_UNLOADED,
    State.LOADING: models_pb2.MODEL_STATE_LOADING,
    State.LOADED: models_pb2.MODEL_STATE_LOADED,
    State.FAILED: models_pb2.MODEL_STATE_FAILED,
}


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Lists the models of a host."""

    def __init__(self, host: ModelHost[Any]) -> None:
        self._host = host

    async def ListModels(
        self,
        request: models_pb2.ListModelsRequest,
        context: grpc.aio.ServicerContext[
            models_pb2.ListModelsRequest, models_pb2.ListModelsResponse
        ],
    ) -> models_pb2.ListModelsResponse:
        """Every model of this container and where it is in its life."""
        return models_pb2.ListModelsResponse(
            models=[
                models_pb2.Model(
                    id=manifest.name,
                    aliases=manifest.aliases,
                    capability=manifest.capability,
                    tasks=manifest.tasks,
                    created=self._host.registry.created(manifest),
                    owned_by=manifest.owned_by,
                    licence=manifest.licence,
                    languages=manifest.languages,
                    voices=manifest.voices,
                    labels=manifest.labels,
                    context_length=manifest.context_length,
                    state=STATES[self._host.state(manifest)],
                    resident_bytes=self._host.resident_bytes(manifest),
                    is_default=manifest.default,
                )
                for manifest in self._host.registry.list()
            ]
        )
