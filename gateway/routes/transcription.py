"""`/v1/audio/transcriptions` and `/v1/audio/translations`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway import transcripts
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.languages import ENGLISH_NAMES
from gateway.openapi import EVENTS, failures
from gateway.retry import Retries
from gateway.schemas.transcription import (
    AudioFile,
    FormatField,
    GranularitiesField,
    LanguageField,
    ModelField,
    PriorityField,
    PromptField,
    Segment,
    ServiceTierField,
    TemperatureField,
    TextFormat,
    Transcription,
    TranscriptTextDelta,
    TranscriptTextDone,
    UsageDuration,
    VerboseTranscription,
    Word,
)
from gateway.streaming import EventStream, event, while_connected
from gateway.uploads import Recording, parts
from gateway.upstreams import Upstreams
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.connection import answers
from services.runtime.context import RequestContext
from services.runtime.errors import Internal, InvalidRequest

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

Pieces = AsyncGenerator[speech_pb2.TranscribeResponse, None]
TaskName = Literal["transcribe", "translate"]


@dataclass
class _Transcript:
    """What has come of a transcript so far."""

    task: TaskName
    started: speech_pb2.TranscriptStarted = field(default_factory=speech_pb2.TranscriptStarted)
    segments: list[speech_pb2.Segment] = field(default_factory=list)
    finished: bool = False

    def add(self, piece: speech_pb2.TranscribeResponse) -> None:
        kind = piece.WhichOneof("event")
        if kind == "started":
            self.started = piece.started
        elif kind == "segment":
            self.segments.append(piece.segment)
        else:
            self.finished = True

    @property
    def text(self) -> str:
        return transcripts.plain(self.segments)

    @property
    def usage(self) -> UsageDuration:
        return {"type": "duration", "seconds": self.started.duration_seconds}


def transcription_router(
    gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries
) -> APIRouter:
    """The routes of text from speech."""
    guard = Guard(gatekeeper, "speech", "form")
    router = APIRouter(route_class=guard.route_class(), tags=["audio"])

    def call(
        config: speech_pb2.TranscribeConfig, recording: Recording, context: RequestContext
    ) -> Pieces:
        return answers(
            upstreams.speech.Transcribe(
                parts(speech_pb2.TranscribeRequest, config, recording),
                metadata=context.metadata(),
                timeout=context.timeout(),
            )
        )

    async def whole(
        request: Request,
        config: speech_pb2.TranscribeConfig,
        recording: Recording,
        context: RequestContext,
        task: TaskName,
    ) -> _Transcript:
        async with while_connected(request.receive):
            return await retries.whole(
                "speech", context, lambda: _whole(call(config, recording, context), task)
            )

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
        stream: Annotated[bool, Form()] = False,
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """What was said, in the language it was said in; with `stream`, as it is understood."""
        if granularities and response_format != "verbose_json":
            raise InvalidRequest(
                "timestamp_granularities[] needs response_format verbose_json.",
                param="timestamp_granularities[]",
            )
        if stream and response_format not in ("json", "text"):
            raise InvalidRequest(
                "A stream is json; leave response_format out.", param="response_format"
            )
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
        context = gatekeeper.context(exchange_of(request.scope), priority, service_tier)
        if stream:
            return EventStream(
                retries.pieces("speech", context, lambda: _events(call(config, recording, context)))
            )
        transcript = await whole(request, config, recording, context, "transcribe")
        segments = "segment" in granularities or not granularities
        return _formatted(transcript, response_format, segments=segments, words=words)

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
        context = gatekeeper.context(exchange_of(request.scope), priority, service_tier)
        transcript = await whole(request, config, recording, context, "translate")
        return _formatted(transcript, response_format, segments=True, words=False)

    return router


async def _whole(pieces: Pieces, task: TaskName) -> _Transcript:
    transcript = _Transcript(task)
    async with aclosing(pieces):
        async for piece in pieces:
            transcript.add(piece)
    _check(transcript)
    return transcript


async def _events(pieces: Pieces) -> AsyncGenerator[bytes, None]:
    transcript = _Transcript("transcribe")
    async with aclosing(pieces):
        async for piece in pieces:
            first = not transcript.segments
            transcript.add(piece)
            if piece.WhichOneof("event") == "segment":
                text = piece.segment.text
                delta: TranscriptTextDelta = {
                    "type": "transcript.text.delta",
                    # The deltas, joined, are the text of the last event, which begins with a word.
                    "delta": text.lstrip() if first else text,
                }
                yield event(delta)
    _check(transcript)
    done: TranscriptTextDone = {
        "type": "transcript.text.done",
        "text": transcript.text,
        "usage": transcript.usage,
    }
    yield event(done)


def _check(transcript: _Transcript) -> None:
    if not transcript.finished:
        raise Internal("The service ended its answer too soon.")


def _formatted(
    transcript: _Transcript, response_format: TextFormat, *, segments: bool, words: bool
) -> Response:
    if response_format == "text":
        return PlainTextResponse(transcript.text + "\n")
    if response_format == "srt":
        return Response(transcripts.srt(transcript.segments), media_type="application/x-subrip")
    if response_format == "vtt":
        return Response(transcripts.vtt(transcript.segments), media_type="text/vtt")
    if response_format == "json":
        short: Transcription = {"text": transcript.text, "usage": transcript.usage}
        return JSONResponse(short)
    return JSONResponse(_verbose(transcript, segments=segments, words=words))


def _verbose(transcript: _Transcript, *, segments: bool, words: bool) -> VerboseTranscription:
    spoken = transcript.started.language
    written = "en" if transcript.task == "translate" else spoken
    answer: VerboseTranscription = {
        "task": transcript.task,
        "language": ENGLISH_NAMES.get(written, written),
        "duration": transcript.started.duration_seconds,
        "text": transcript.text,
        "usage": transcript.usage,
    }
    if segments:
        answer["segments"] = [_segment(segment) for segment in transcript.segments]
    if words:
        answer["words"] = [_word(word) for segment in transcript.segments for word in segment.words]
    return answer


def _segment(segment: speech_pb2.Segment) -> Segment:
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _word(word: speech_pb2.Word) -> Word:
    return {"word": word.word.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
