"""`/v1/audio/transcriptions` and `/v1/audio/translations`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

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
    StreamField,
    TemperatureField,
    TextFormat,
    Transcription,
    VerboseTranscription,
)
from gateway.streaming import EventStream, kept_alive, while_connected
from gateway.transcribing import SpeechCalls, Transcript, formatted, verbose
from gateway.uploads import Recording
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.context import RequestContext
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


@dataclass(frozen=True, slots=True)
class _Wish:
    """What an answer shall be; `segments`, `words` and `emotion` are of the verbose one."""

    format: TextFormat
    stream: bool
    segments: bool
    words: bool
    emotion: bool


def transcription_router(
    gatekeeper: Gatekeeper, calls: SpeechCalls, emotions: EmotionCalls
) -> APIRouter:
    """The routes of text from speech."""
    guard = Guard(gatekeeper, "speech", "form")
    router = APIRouter(route_class=guard.route_class(), tags=["audio"])
    desk = _Desk(calls, emotions)

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
        stream: StreamField = False,
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """What was said, in the language it was said in; with `stream`, as it is understood."""
        wish = _wish(response_format, granularities, include, stream=stream)
        config = speech_pb2.TranscribeConfig(
            model=model,
            task=speech_pb2.TASK_TRANSCRIBE,
            language=language,
            prompt=prompt,
            temperature=temperature,
            word_timestamps=wish.words,
        )
        context = gatekeeper.context(exchange_of(request.scope), priority, service_tier)
        return await desk.answer(request, config, Recording(file), context, wish)

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
        include: IncludeField = [],  # noqa: B006
        stream: StreamField = False,
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """What was said, in English, whatever language it was said in."""
        wish = _wish(response_format, (), include, stream=stream)
        config = speech_pb2.TranscribeConfig(
            model=model,
            task=speech_pb2.TASK_TRANSLATE,
            prompt=prompt,
            temperature=temperature,
        )
        context = gatekeeper.context(exchange_of(request.scope), priority, service_tier)
        return await desk.answer(request, config, Recording(file), context, wish)

    return router


class _Desk:
    """Writes recordings down, whole or as events."""

    def __init__(self, calls: SpeechCalls, emotions: EmotionCalls) -> None:
        self._calls = calls
        self._emotions = emotions

    async def answer(
        self,
        request: Request,
        config: speech_pb2.TranscribeConfig,
        recording: Recording,
        context: RequestContext,
        wish: _Wish,
    ) -> Response:
        """The answer to a wish. Raises `OrfeonError`."""
        exchange = exchange_of(request.scope)
        if wish.emotion:
            require(exchange, "emotion")

        async def detailed(transcript: Transcript) -> VerboseTranscription:
            felt = None
            if wish.emotion:
                felt = await emotions_of(self._emotions, transcript.segments, recording, context)
            return verbose(transcript, segments=wish.segments, words=wish.words, emotions=felt)

        verbosely = wish.format == "verbose_json"
        if wish.stream:
            if not verbosely:
                listened = exchange.listened
                return EventStream(self._calls.events(config, recording, context, listened))
            events = self._calls.events(config, recording, context, exchange.listened, detailed)
            # What the voice tells is found out when all words have been told.
            return EventStream(kept_alive(events))
        async with while_connected(request.receive):
            transcript = await self._calls.transcript(config, recording, context)
            exchange.listened(transcript.started.duration_seconds)
            if verbosely:
                return JSONResponse(await detailed(transcript))
        return formatted(transcript, wish.format)


def _wish(
    response_format: TextFormat,
    granularities: Sequence[Granularity],
    include: Sequence[Included],
    *,
    stream: bool,
) -> _Wish:
    """What the answer shall be. Raises `InvalidRequest` for what contradicts itself."""
    if "logprobs" in include:
        raise InvalidRequest(
            "Probabilities of tokens are not told; with verbose_json, segments have avg_logprob.",
            param="include[]",
        )
    segments = "segment" in granularities or not granularities
    if "emotion" in include and (response_format != "verbose_json" or not segments):
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
    if stream and response_format in ("srt", "vtt"):
        raise InvalidRequest(
            "A stream is json or verbose_json, which tells the times.", param="response_format"
        )
    return _Wish(
        response_format,
        stream=stream,
        segments=segments,
        words="word" in granularities,
        emotion="emotion" in include,
    )
