"""`/v1/audio/speech` and `/v1/audio/voices`."""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response

from gateway.exchange import Exchange, exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.retry import Retries
from gateway.schemas.fields import Text
from gateway.schemas.speech import SpeechRequest, VoiceList
from gateway.streaming import ByteStream, EventStream, event
from gateway.upstreams import QUICK, Upstreams
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.connection import answer, answers

_FORMATS: "dict[str, tuple[speech_pb2.AudioFormat.ValueType, str]]" = {
    "mp3": (speech_pb2.AUDIO_FORMAT_MP3, "audio/mpeg"),
    "opus": (speech_pb2.AUDIO_FORMAT_OPUS, "audio/ogg"),
    "aac": (speech_pb2.AUDIO_FORMAT_AAC, "audio/aac"),
    "flac": (speech_pb2.AUDIO_FORMAT_FLAC, "audio/flac"),
    "wav": (speech_pb2.AUDIO_FORMAT_WAV, "audio/wav"),
    "pcm": (speech_pb2.AUDIO_FORMAT_PCM, "audio/pcm"),
}
_EXAMPLES = {
    "sentence": {
        "summary": "A sentence, as mp3",
        "value": {
            "model": "tts-1",
            "input": "The choir sings at seven.",
            "voice": "joe",
            "response_format": "mp3",
        },
    }
}
_AUDIO: dict[str, Any] = {
    "description": "The file, sent as it is synthesised; or events, with stream_format `sse`.",
    "content": {
        **{
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for _, media_type in _FORMATS.values()
        },
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": 'data: {"type":"speech.audio.delta","audio":"..."}\n\ndata: [DONE]\n\n',
        },
    },
}
_VOICES_EXAMPLE: VoiceList = {
    "object": "list",
    "data": [
        {"id": "joe", "object": "voice", "model": "piper-en-us-joe-medium", "language": "en-US"}
    ],
}


def speech_router(gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries) -> APIRouter:
    """The routes of speech from text."""
    router = APIRouter()
    speaking = APIRouter(
        tags=["audio"], route_class=Guard(gatekeeper, "speech", "json").route_class()
    )
    listing = APIRouter(tags=["audio"], route_class=Guard(gatekeeper, "speech").route_class())

    @speaking.post(
        "/v1/audio/speech",
        summary="Speak a text",
        response_class=Response,
        responses={200: _AUDIO, **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)},
    )
    async def create_speech(
        request: Request,
        body: Annotated[SpeechRequest, Body(openapi_examples=_EXAMPLES)],
    ) -> Response:
        """Sends audio from the first sentence on, while the next ones are synthesised."""
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        audio_format, media_type = _FORMATS[body.response_format or "mp3"]
        asked = speech_pb2.SynthesizeRequest(
            model=body.model or "",
            input=body.input,
            voice=body.voice or body.voice_preset or "",
            format=audio_format,
            speed=body.speed,
        )

        def begin() -> AsyncGenerator[bytes, None]:
            call = upstreams.speech.Synthesize(
                asked, metadata=context.metadata(), timeout=context.timeout()
            )
            return _bytes(answers(call), exchange)

        audio = retries.pieces("speech", context, begin)
        if body.stream_format == "sse":
            return EventStream(_events(audio, len(body.input)))
        return ByteStream(audio, media_type)

    @listing.get(
        "/v1/audio/voices",
        summary="List the voices",
        response_model=VoiceList,
        responses={
            200: {"content": {"application/json": {"example": _VOICES_EXAMPLE}}},
            **failures(400, 401, 403, 404, 500, 503),
        },
    )
    async def list_voices(
        request: Request,
        model: Annotated[Text, Query(max_length=256, description="Of this model alone.")] = "",
    ) -> VoiceList:
        """The names that `voice` of a speech request takes."""
        context = gatekeeper.context(exchange_of(request.scope))

        async def ask() -> speech_pb2.ListVoicesResponse:
            call = upstreams.speech.ListVoices(
                speech_pb2.ListVoicesRequest(model=model),
                metadata=context.metadata(),
                timeout=QUICK,
            )
            return await answer(call)

        listed = await retries.whole("speech", context, ask)
        return {
            "object": "list",
            "data": [
                {
                    "id": voice.id,
                    "object": "voice",
                    "model": voice.model,
                    "language": voice.language,
                }
                for voice in listed.voices
            ],
        }

    router.routes.extend(speaking.routes)
    router.routes.extend(listing.routes)
    return router


async def _bytes(
    pieces: AsyncGenerator[speech_pb2.SynthesizeResponse, None], exchange: Exchange
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.audio:
                exchange.began_output()
                yield piece.audio


async def _events(
    audio: AsyncGenerator[bytes, None], characters: int
) -> AsyncGenerator[bytes, None]:
    async with aclosing(audio):
        async for data in audio:
            encoded = base64.b64encode(data).decode("ascii")
            yield event({"type": "speech.audio.delta", "audio": encoded})
    # OpenAI counts tokens here. A voice reads none, so what was spoken is counted beside them.
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "characters": characters}
    yield event({"type": "speech.audio.done", "usage": usage})
