"""What the gateway answers itself: the models and the queues of all services together."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from gateway.catalog import Catalog
from gateway.keystore import ApiKey
from gateway.queues import queues_of
from gateway.residency import Residency
from gateway.upstreams import Upstreams
from orfeon.api.models.v1 import models_pb2
from orfeon.api.queue.v1 import queue_pb2
from services.runtime.context import RequestContext


class OwnAnswers:
    """Answers as one service would that has every model. Raises `OrfeonError`."""

    def __init__(self, upstreams: Upstreams, catalog: Catalog, residency: Residency) -> None:
        self._upstreams = upstreams
        self._catalog = catalog
        self._residency = residency
        self._answers: Mapping[
            type[Message], Callable[[Any, RequestContext, ApiKey], Awaitable[Message]]
        ] = {
            models_pb2.ListModelsRequest: self._list_models,
            models_pb2.LoadModelRequest: self._load,
            models_pb2.UnloadModelRequest: self._unload,
            queue_pb2.ListQueueRequest: self._list_queue,
        }

    async def answer(
        self, request: type[Message], message: bytes, context: RequestContext, key: ApiKey
    ) -> bytes:
        """The answer to one message, which must be a `request`."""
        answer = await self._answers[request](request.FromString(message), context, key)
        return answer.SerializeToString()

    async def _list_models(
        self, asked: models_pb2.ListModelsRequest, context: RequestContext, key: ApiKey
    ) -> models_pb2.ListModelsResponse:
        return models_pb2.ListModelsResponse(models=await self._catalog.messages())

    async def _load(
        self, asked: models_pb2.LoadModelRequest, context: RequestContext, key: ApiKey
    ) -> models_pb2.LoadModelResponse:
        pinned = asked.pinned if asked.HasField("pinned") else None
        model = await self._residency.load(asked.id, pinned, context)
        return models_pb2.LoadModelResponse(model=model)

    async def _unload(
        self, asked: models_pb2.UnloadModelRequest, context: RequestContext, key: ApiKey
    ) -> models_pb2.UnloadModelResponse:
        model = await self._residency.unload(asked.id, context)
        return models_pb2.UnloadModelResponse(model=model)

    async def _list_queue(
        self, asked: queue_pb2.ListQueueRequest, context: RequestContext, key: ApiKey
    ) -> queue_pb2.ListQueueResponse:
        queues = await queues_of(self._upstreams, key)
        answer = queue_pb2.ListQueueResponse(
            entries=[entry for _, entries in queues for entry in entries]
        )
        if not key.is_admin:
            for entry in answer.entries:
                entry.ClearField("key_id")
        return answer
