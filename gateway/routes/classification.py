"""`/v1/audio/classifications`."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from gateway.classifying import FALLBACKS, Wish, classification, events, headers
from gateway.emotioncalls import EmotionCalls
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.schemas.classification import (
    MAX_FILES,
    Classification,
    ClassificationList,
    FallbackField,
    FilesField,
    MoreFilesField,
    SpeakersField,
    StreamField,
    ThresholdField,
    TimelineField,
    TopKField,
)
from gateway.schemas.transcription import ModelField, PriorityField, ServiceTierField
from gateway.streaming import EventStream, kept_alive, while_connected
from gateway.uploads import each, recordings
from orfeon.api.emotion.v1 import emotion_pb2
from services.runtime.errors import InvalidRequest

_EXAMPLE: Classification = {
    "object": "audio.classification",
    "model": "emotion-whisper-tiny",
    "duration": 6.2,
    "label": "happy",
    "confidence": 0.91,
    "labels": [{"label": "happy", "score": 0.91}, {"label": "neutral", "score": 0.09}],
    "speech": True,
    "speech_duration": 2.6,
    "fallback_for": None,
    "timeline": [
        {
            "start": 0.4,
            "end": 3.0,
            "label": "happy",
            "confidence": 0.91,
            "labels": [{"label": "happy", "score": 0.91}, {"label": "neutral", "score": 0.09}],
            "speaker": None,
        }
    ],
}
_ANSWER: dict[str, Any] = {
    "description": "The answer; a list of them for several files; with `stream`, events.",
    "headers": {
        f"x-{what}-ms": {"description": meaning, "schema": {"type": "integer"}}
        for what, meaning in (
            ("queue", "Milliseconds waited for a turn."),
            ("decode", "Milliseconds of decoding and of finding speech."),
            ("inference", "Milliseconds of computing."),
        )
    },
    "content": {
        "application/json": {"example": _EXAMPLE},
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": 'data: {"type":"audio.classification.segment",...}\n\ndata: [DONE]\n\n',
        },
    },
}


def classification_router(gatekeeper: Gatekeeper, calls: EmotionCalls) -> APIRouter:
    """The routes of classification."""
    guard = Guard(gatekeeper, "emotion", "form", files=MAX_FILES)
    router = APIRouter(route_class=guard.route_class(), tags=["audio"])

    @router.post(
        "/v1/audio/classifications",
        summary="Tell the emotion in a voice",
        response_model=Classification | ClassificationList,
        responses={200: _ANSWER, **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)},
    )
    async def create_classification(
        request: Request,
        file: FilesField = [],  # noqa: B006 (FastAPI copies it)
        more: MoreFilesField = [],  # noqa: B006
        model: ModelField = "",
        top_k: TopKField = None,
        threshold: ThresholdField = 0.0,
        timeline: TimelineField = False,
        speakers: SpeakersField = False,
        fallback: FallbackField = "auto",
        stream: StreamField = False,
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """Every label of the model with its probability, best first; none where nobody speaks."""
        sent = recordings([*file, *more])
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, priority, service_tier)
        wish = Wish(top_k, threshold, timeline, speakers)
        config = emotion_pb2.ClassifyConfig(
            model=model,
            timeline=timeline or stream,
            speakers=speakers,
            fallback=FALLBACKS[fallback],
        )
        if stream:
            if len(sent) > 1:
                raise InvalidRequest("A stream is of one file; leave stream out.", param="stream")
            # What has been sent as events is not sent again.
            whole = replace(wish, timeline=False)
            pieces = calls.timeline(config, sent[0], context)
            return EventStream(kept_alive(events(pieces, whole, exchange.listened)))
        async with while_connected(request.receive):
            heard = await each(sent, lambda one: calls.classify(config, one, context))
        exchange.headers |= headers(heard)
        exchange.listened(sum(one.duration_seconds for one in heard))
        told = [classification(one, wish) for one in heard]
        if len(told) == 1:
            return JSONResponse(told[0])
        several: ClassificationList = {"object": "list", "data": told}
        return JSONResponse(several)

    return router
