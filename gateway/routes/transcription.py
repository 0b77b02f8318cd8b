"""`/v1/audio/transcriptions` and `/v1/audio/translations`."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from gateway.emotioncalls import EmotionCalls, emotions_of
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper, require
from gateway.guard import Guard
from gateway.openapi import EVENTS, failures
from gateway.schemas.transcription import (
    AudioFile,
    FormatField,
    GranularitiesField,
    Granularity,
    Included,
    IncludeField,
    LanguageField,
    ModelField,
    PriorityField,
    PromptField,
    ServiceTierField,
    TemperatureField,
    TextFormat,
    Transcription,
    VerboseTranscription,
)
from gateway.streaming import EventStream, while_connected
from gateway.transcribing import SpeechCalls, formatted, verbose
from gateway.uploads import Recording
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.errors import InvalidRequest

_EXAMPLE: Transcription = {
    "text": "The choir sings at seven.",
    "usage": {"type": "duration", "seconds": 1.9},
}
_TEXTS: dict[str, Any] = {
    "description": "The transcript in the format asked for.",
    "content": {
        "application/json": {"example": _EXAMPLE},
        "text/plain": {"schema": {"type": "string"}, "example": "The choir sings at seven.\n"},
        "application/x-subrip": {"schema": {"type": "string"}},
        "text/vtt": {"schema": {"type": "string"}},
        "text/event-stream": EVENTS["content"]["text/event-stream"],
    },
}
_FAILURES = failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)


def transcription_router(
    gatekeeper: Gatekeeper, calls: SpeechCalls, emotions: EmotionCalls
) -> APIRouter:
    """The routes of text from speech."""
    guard = Guard(gatekeeper, "speech", "form")
    router = APIRouter(route_class=guard.route_class(), tags=["audio"])

    @router.post(
        "/v1/audio/transcriptions",
        summary="Write down a recording",
        response_model=Transcription | VerboseTranscription,
        responses={200: _TEXTS, **_FAILURES},
    )
    async def create_transcription(
        request: Request,
        file: AudioFile,
        model: ModelField = "",
        language: LanguageField = "",
        prompt: PromptField = "",
        response_format: FormatField = "json",
        temperature: TemperatureField = None,
        granularities: GranularitiesField = [],  # noqa: B006 (FastAPI copies it)
        include: IncludeField = [],  # noqa: B006
        stream: Annotated[bool, Form()] = False,
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """What was said, in the language it was said in; with `stream`, as it is understood."""
        _check_shape(response_format, granularities, include, stream=stream)
        words = "word" in granularities
        config = speech_pb2.TranscribeConfig(
            model=model,
            task=speech_pb2.TASK_TRANSCRIBE,
            language=language,
            prompt=prompt,
            temperature=temperature,
            word_timestamps=words,
        )
        recording = Recording(file)
        exchange = exchange_of(request.scope)
        if "emotion" in include:
            require(exchange, "emotion")
        context = gatekeeper.context(exchange, priority, service_tier)
        if stream:
            return EventStream(calls.events(config, recording, context, exchange.listened))
        async with while_connected(request.receive):
            transcript = await calls.transcript(config, recording, context)
            exchange.listened(transcript.started.duration_seconds)
            felt = None
            if "emotion" in include:
                felt = await emotions_of(emotions, transcript.segments, recording, context)
        if response_format != "verbose_json":
            return formatted(transcript, response_format)
        segments = "segment" in granularities or not granularities
        return verbose(transcript, segments=segments, words=words, emotions=felt)

    @router.post(
        "/v1/audio/translations",
        summary="Write down a recording in English",
        response_model=Transcription | VerboseTranscription,
        responses={200: _TEXTS, **_FAILURES},
    )
    async def create_translation(
        request: Request,
        file: AudioFile,
        model: ModelField = "",
        prompt: PromptField = "",
        response_format: FormatField = "json",
        temperature: TemperatureField = None,
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """What was said, in English, whatever language it was said in."""
        config = speech_pb2.TranscribeConfig(
            model=model,
            task=speech_pb2.TASK_TRANSLATE,
            prompt=prompt,
            temperature=temperature,
        )
        recording = Recording(file)
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, priority, service_tier)
        async with while_connected(request.receive):
            transcript = await calls.transcript(config, recording, context)
        exchange.listened(transcript.started.duration_seconds)
        if response_format != "verbose_json":
            return formatted(transcript, response_format)
        return verbose(transcript)

    return router


def _check_shape(
    response_format: TextFormat,
    granularities: Sequence[Granularity],
    include: Sequence[Included],
    *,
    stream: bool,
) -> None:
    """Raises `InvalidRequest` for wishes that contradict one another."""
    if "logprobs" in include:
        raise InvalidRequest(
            "Probabilities of tokens are not told; with verbose_json, segments have avg_logprob.",
            param="include[]",
        )
    if "emotion" in include and (
        response_format != "verbose_json" or (granularities and "segment" not in granularities)
    ):
        raise InvalidRequest(
            "The emotion is told of segments: include[]=emotion needs response_format verbose_json "
            "with segments.",
            param="include[]",
        )
    if granularities and response_format != "verbose_json":
        raise InvalidRequest(
            "timestamp_granularities[] needs response_format verbose_json.",
            param="timestamp_granularities[]",
        )
    if stream and response_format not in ("json", "text"):
        raise InvalidRequest(
            "A stream is json; leave response_format out.", param="response_format"
        )
