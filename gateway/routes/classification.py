"""`/v1/audio/classifications`."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request

from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.retry import Retries
from gateway.schemas.classification import Classification
from gateway.schemas.transcription import AudioFile, ModelField, PriorityField, ServiceTierField
from gateway.streaming import while_connected
from gateway.uploads import Recording
from gateway.upstreams import Upstreams
from orfeon.api.emotion.v1 import emotion_pb2
from services.runtime.connection import answer

_EXAMPLE: Classification = {
    "object": "audio.classification",
    "model": "emotion-whisper-tiny",
    "duration": 2.8,
    "labels": [{"label": "happy", "score": 0.91}, {"label": "neutral", "score": 0.09}],
}


def classification_router(
    gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries
) -> APIRouter:
    """The routes of classification."""
    guard = Guard(gatekeeper, "emotion", "form")
    router = APIRouter(route_class=guard.route_class(), tags=["audio"])

    @router.post(
        "/v1/audio/classifications",
        summary="Tell the emotion in a voice",
        response_model=Classification,
        responses={
            200: {"content": {"application/json": {"example": _EXAMPLE}}},
            **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504),
        },
    )
    async def create_classification(
        request: Request,
        file: AudioFile,
        model: ModelField = "",
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Classification:
        """Every label of the model with its probability, best first."""
        recording = Recording(file)
        context = gatekeeper.context(exchange_of(request.scope), priority, service_tier)
        config = emotion_pb2.ClassifyConfig(model=model)

        async def ask() -> emotion_pb2.ClassifyResponse:
            call = upstreams.emotion.Classify(
                _messages(config, recording), metadata=context.metadata(), timeout=context.timeout()
            )
            return await answer(call)

        async with while_connected(request.receive):
            heard = await retries.whole("emotion", context, ask)
        return {
            "object": "audio.classification",
            "model": heard.model,
            "duration": heard.duration_seconds,
            "labels": [{"label": one.label, "score": one.score} for one in heard.labels],
        }

    return router


async def _messages(
    config: emotion_pb2.ClassifyConfig, recording: Recording
) -> AsyncIterator[emotion_pb2.ClassifyRequest]:
    yield emotion_pb2.ClassifyRequest(config=config)
    async for data in recording.messages():
        yield emotion_pb2.ClassifyRequest(audio=data)
