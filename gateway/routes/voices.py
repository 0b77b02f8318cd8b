"""`/v1/audio/diarization`, `/v1/audio/embeddings` and `/v1/audio/keywords`."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.diarizing import diarization, known_speakers, references_named, rttm
from gateway.emotioncalls import EmotionCalls
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.keywords import spot
from gateway.languages import ENGLISH_NAMES
from gateway.openapi import failures
from gateway.schemas.classification import MAX_FILES, FilesField, MoreFilesField
from gateway.schemas.transcription import (
    AudioFile,
    LanguageField,
    ModelField,
    PriorityField,
    ServiceTierField,
)
from gateway.schemas.voices import (
    REFERENCE_BYTES,
    CountField,
    Diarization,
    DiarizationFormatField,
    EncodingField,
    KeywordMatches,
    KeywordsField,
    NamesField,
    ReferencesField,
    SimilarityField,
    VoiceEmbedding,
    VoiceEmbeddingList,
)
from gateway.streaming import while_connected
from gateway.transcribing import SpeechCalls
from gateway.uploads import Recording, each, recordings
from gateway.vectors import in_base64
from orfeon.api.emotion.v1 import emotion_pb2
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.errors import InvalidRequest

_DIARIZATION: Diarization = {
    "task": "diarize",
    "model": "speaker-ge2e",
    "duration": 12.3,
    "num_speakers": 1,
    "segments": [{"id": 0, "speaker": "A", "label": "A", "start": 0.5, "end": 2.4}],
    "speakers": [{"id": "A", "label": "A", "total_speech_duration": 1.9, "segment_count": 1}],
}
_DIARIZED: dict[str, Any] = {
    "description": "Who speaks when, as JSON or in RTTM.",
    "content": {
        "application/json": {"example": _DIARIZATION},
        "text/plain": {
            "schema": {"type": "string"},
            "example": "SPEAKER audio 1 0.500 1.900 <NA> <NA> A <NA> <NA>\n",
        },
    },
}
_EMBEDDED: VoiceEmbeddingList = {
    "object": "list",
    "data": [
        {
            "object": "embedding",
            "index": 0,
            "embedding": [0.6, 0.0, 0.8],
            "duration": 3.0,
            "speech_duration": 2.6,
        }
    ],
    "model": "speaker-ge2e",
    "usage": {"prompt_tokens": 0, "total_tokens": 0},
}
_SPOTTED: KeywordMatches = {
    "object": "list",
    "model": "whisper-base",
    "language": "english",
    "duration": 7.5,
    "data": [
        {
            "keyword": "ice cream",
            "text": "ice-cream",
            "start": 1.2,
            "end": 1.8,
            "similarity": 1.0,
            "probability": 0.93,
        }
    ],
}
_FAILURES = failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)


def voices_router(gatekeeper: Gatekeeper, speech: SpeechCalls, emotions: EmotionCalls) -> APIRouter:
    """The routes of speakers, and of keywords."""
    router = APIRouter()
    turns = Guard(gatekeeper, "emotion", "form", field_bytes=REFERENCE_BYTES)
    vectors = Guard(gatekeeper, "emotion", "form", files=MAX_FILES)
    diarizing = APIRouter(tags=["audio"], route_class=turns.route_class())
    embedding = APIRouter(tags=["audio"], route_class=vectors.route_class())
    spotting = APIRouter(
        tags=["audio"], route_class=Guard(gatekeeper, "speech", "form").route_class()
    )

    @diarizing.post(
        "/v1/audio/diarization",
        summary="Tell who speaks when",
        response_model=Diarization,
        responses={200: _DIARIZED, **_FAILURES},
    )
    async def create_diarization(
        request: Request,
        file: AudioFile,
        model: ModelField = "",
        num_speakers: CountField = None,
        speaker_count: CountField = None,
        names: NamesField = [],  # noqa: B006 (FastAPI copies it)
        references: ReferencesField = [],  # noqa: B006
        response_format: DiarizationFormatField = "json",
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """The turns of a conversation. Speakers are A, B and so on, or have the names of known
        ones. `num_speakers` and `speaker_count` are the same."""
        recording = Recording(file)
        config = emotion_pb2.DiarizeConfig(
            model=model,
            speaker_count=num_speakers or speaker_count or 0,
            known=known_speakers(names, references),
        )
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, priority, service_tier)
        async with while_connected(request.receive):
            with references_named():
                answer = await emotions.diarize(config, recording, context)
        exchange.listened(answer.duration_seconds)
        if response_format == "rttm":
            return PlainTextResponse(rttm(answer, recording.name))
        return JSONResponse(diarization(answer))

    @embedding.post(
        "/v1/audio/embeddings",
        summary="Make vectors of voices",
        response_model=VoiceEmbeddingList,
        responses={200: {"content": {"application/json": {"example": _EMBEDDED}}}, **_FAILURES},
    )
    async def create_voice_embedding(
        request: Request,
        file: FilesField = [],  # noqa: B006
        more: MoreFilesField = [],  # noqa: B006
        model: ModelField = "",
        encoding_format: EncodingField = "float",
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """A vector of length 1 for each recording; those of one speaker point much the same
        way."""
        sent = recordings([*file, *more])
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, priority, service_tier)
        config = emotion_pb2.EmbedConfig(model=model)
        async with while_connected(request.receive):
            found = await each(sent, lambda one: emotions.embed(config, one, context))
        exchange.listened(sum(one.duration_seconds for one in found))
        rows: list[VoiceEmbedding] = [
            {
                "object": "embedding",
                "index": index,
                "embedding": in_base64(one.values)
                if encoding_format == "base64"
                else list(one.values),
                "duration": round(one.duration_seconds, 3),
                "speech_duration": round(one.speech_seconds, 3),
            }
            for index, one in enumerate(found)
        ]
        answer: VoiceEmbeddingList = {
            "object": "list",
            "data": rows,
            "model": found[0].model,
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        }
        return JSONResponse(answer)

    @spotting.post(
        "/v1/audio/keywords",
        summary="Find words in a recording",
        response_model=KeywordMatches,
        responses={200: {"content": {"application/json": {"example": _SPOTTED}}}, **_FAILURES},
    )
    async def find_keywords(
        request: Request,
        file: AudioFile,
        keywords: KeywordsField = [],  # noqa: B006
        model: ModelField = "",
        language: LanguageField = "",
        threshold: SimilarityField = 0.8,
        priority: PriorityField = None,
        service_tier: ServiceTierField = None,
    ) -> Response:
        """Where words and phrases are said, any at all: what is said is written down, and looked
        through for what is spelled alike."""
        if not keywords:
            raise InvalidRequest("Required field keywords[] is missing.", param="keywords[]")
        recording = Recording(file)
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, priority, service_tier)
        config = speech_pb2.TranscribeConfig(
            model=model, task=speech_pb2.TASK_TRANSCRIBE, language=language, word_timestamps=True
        )
        async with while_connected(request.receive):
            heard = await speech.transcript(config, recording, context)
            exchange.listened(heard.started.duration_seconds)
            words = [word for segment in heard.segments for word in segment.words]
            # Of hours of speech a keyword may take a second. Others have their turn meanwhile, and
            # a caller who has left is not searched for any further.
            matches = [
                match
                for keyword in dict.fromkeys(keywords)
                for match in await asyncio.to_thread(spot, keyword, words, threshold)
            ]
            matches.sort(key=lambda match: (match.start, match.end))
        answer: KeywordMatches = {
            "object": "list",
            "model": heard.started.model,
            "language": ENGLISH_NAMES.get(heard.started.language, heard.started.language),
            "duration": round(heard.started.duration_seconds, 3),
            "data": [
                {
                    "keyword": one.keyword,
                    "text": one.text,
                    "start": round(one.start, 3),
                    "end": round(one.end, 3),
                    "similarity": round(one.similarity, 3),
                    "probability": round(one.probability, 3),
                }
                for one in matches
            ],
        }
        return JSONResponse(answer)

    for part in (diarizing, embedding, spotting):
        router.routes.extend(part.routes)
    return router
