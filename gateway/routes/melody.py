"""`/v1/melodies`, `/v1/melodies/genres` and `/v1/sound-generation`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.responses import Response

from gateway.bodies import body_of, documented
from gateway.catalog import Catalog
from gateway.exchange import Exchange, exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.melodies import Pieces, events_of, file_of, melody_config, sound_config
from gateway.openapi import failures
from gateway.retry import Retries
from gateway.schemas.fields import Text
from gateway.schemas.melody import GenreList, MelodyFormat, MelodyRequest, SoundRequest
from gateway.streaming import ByteStream, EventStream
from gateway.uploads import Recording
from gateway.upstreams import QUICK, Upstreams
from orfeon.api.melody.v1 import melody_pb2
from services.runtime.connection import answer, answers
from services.runtime.context import RequestContext

_MEDIA_TYPES: dict[MelodyFormat, str] = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "midi": "audio/midi",
    "musicxml": "application/vnd.recordare.musicxml+xml",
    "zip": "application/zip",
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_HEADERS = {
    f"x-melody-{name}": {"description": meaning, "schema": {"type": kind}}
    for name, kind, meaning in (
        ("seed", "integer", "Gives the same notes again."),
        ("duration", "number", "Seconds."),
        ("tempo", "number", "Quarter notes per minute, where the model says."),
        ("key", "string", "Tonic and mode, where the model says."),
    )
}
_MELODY: dict[str, Any] = {
    "description": "The file, sent as it is played; or events, with stream_format `sse`.",
    "headers": _HEADERS,
    "content": {
        **dict.fromkeys(_MEDIA_TYPES.values(), _FILE),
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": 'data: {"type":"melody.progress","progress":0.5}\n\ndata: [DONE]\n\n',
        },
    },
}
_SOUND: dict[str, Any] = {
    "description": "An mp3 file, sent as it is made.",
    "headers": _HEADERS,
    "content": {"audio/mpeg": {**_FILE, "example": "(the file)"}},
}
_EXAMPLES = {
    "tune": {
        "summary": "Half a minute of rock",
        "value": {"genre": "rock", "mood": "happy", "duration": 30, "seed": 7},
    },
    "song": {
        "summary": "A melody for the syllables of a song, with its notes",
        "value": {
            "genre": "pop",
            "key": "A minor",
            "tempo": 96,
            "sections": [
                {"kind": "verse", "lines": [8, 7, 8, 7]},
                {"kind": "chorus", "lines": [6, 6, 6, 8]},
            ],
            "response_format": "zip",
        },
    },
}
_SOUND_EXAMPLES = {
    "rain": {
        "summary": "Five seconds of rain",
        "value": {"text": "rain on a tin roof", "duration_seconds": 5},
    }
}
_GENRES_EXAMPLE: GenreList = {
    "object": "list",
    "data": [{"id": "rock", "object": "genre", "slowest": 100, "fastest": 150}],
}
_FAILURES = failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)


def melody_router(
    gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries, catalog: Catalog
) -> APIRouter:
    """The routes of music."""
    router = APIRouter()
    guard = Guard(gatekeeper, "melody", "json or form")
    composing = APIRouter(tags=["melody"], route_class=guard.route_class())
    sounding = APIRouter(
        tags=["melody"], route_class=Guard(gatekeeper, "melody", "json").route_class()
    )
    listing = APIRouter(tags=["melody"], route_class=Guard(gatekeeper, "melody").route_class())

    def compose(
        config: melody_pb2.ComposeConfig,
        recording: Recording | None,
        context: RequestContext,
        exchange: Exchange,
    ) -> Pieces:
        call = upstreams.melody.Compose(
            _messages(config, recording), metadata=context.metadata(), timeout=context.timeout()
        )
        return _heard(answers(call), exchange)

    @composing.post(
        "/v1/melodies",
        summary="Compose and play music",
        response_class=Response,
        responses={200: _MELODY, **_FAILURES},
        openapi_extra=documented(MelodyRequest, "A recording whose melody to follow.", _EXAMPLES),
    )
    async def create_melody(
        request: Request,
        asked: Annotated[tuple[MelodyRequest, Recording | None], Depends(body_of(MelodyRequest))],
    ) -> Response:
        """Music by genre, mood and form, sent while it is played; or its notes."""
        body, recording = asked
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        file_format = body.response_format or "mp3"
        config = melody_config(body, file_format)
        if body.stream_format == "sse":
            return EventStream(
                retries.pieces(
                    "melody",
                    context,
                    lambda: events_of(compose(config, recording, context, exchange)),
                )
            )
        file = retries.pieces(
            "melody",
            context,
            lambda: file_of(
                compose(config, recording, context, exchange), file_format, exchange.headers
            ),
        )
        return ByteStream(file, _MEDIA_TYPES[file_format])

    @sounding.post(
        "/v1/sound-generation",
        summary="Make a sound",
        response_class=Response,
        responses={200: _SOUND, **_FAILURES},
    )
    async def create_sound(
        request: Request, body: Annotated[SoundRequest, Body(openapi_examples=_SOUND_EXAMPLES)]
    ) -> Response:
        """A sound effect by its description; music, where no model makes sounds."""
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        config = sound_config(body, effect=await _makes_sounds(catalog, body.model_id))
        file = retries.pieces(
            "melody",
            context,
            lambda: file_of(compose(config, None, context, exchange), "mp3", exchange.headers),
        )
        return ByteStream(file, _MEDIA_TYPES["mp3"])

    @listing.get(
        "/v1/melodies/genres",
        summary="List the genres",
        response_model=GenreList,
        responses={
            200: {"content": {"application/json": {"example": _GENRES_EXAMPLE}}},
            **failures(400, 401, 403, 404, 500, 503),
        },
    )
    async def list_genres(
        request: Request,
        model: Annotated[Text, Query(max_length=256, description="Left out, the default.")] = "",
    ) -> GenreList:
        """The names that `genre` of a melody takes; none where a model takes any words."""
        context = gatekeeper.context(exchange_of(request.scope))

        async def ask() -> melody_pb2.ListGenresResponse:
            call = upstreams.melody.ListGenres(
                melody_pb2.ListGenresRequest(model=model),
                metadata=context.metadata(),
                timeout=QUICK,
            )
            return await answer(call)

        listed = await retries.whole("melody", context, ask)
        return {
            "object": "list",
            "data": [
                {
                    "id": genre.name,
                    "object": "genre",
                    "slowest": genre.slowest,
                    "fastest": genre.fastest,
                }
                for genre in listed.genres
            ],
        }

    for part in (composing, sounding, listing):
        router.routes.extend(part.routes)
    return router


async def _heard(pieces: Pieces, exchange: Exchange) -> Pieces:
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.HasField("audio"):
                exchange.began_output()
            exchange.audio_seconds += piece.finished.duration_seconds
            yield piece


async def _messages(
    config: melody_pb2.ComposeConfig, recording: Recording | None
) -> AsyncIterator[melody_pb2.ComposeRequest]:
    yield melody_pb2.ComposeRequest(config=config)
    if recording is not None:
        async for data in recording.messages():
            yield melody_pb2.ComposeRequest(audio=data)


async def _makes_sounds(catalog: Catalog, model: str | None) -> bool:
    """Whether a model, or the default for it, makes sound effects. Raises `ModelNotFound`."""
    if model:
        return "sound" in (await catalog.find(model))["capabilities"]["tasks"]
    abilities = (each["capabilities"] for each in await catalog.list())
    return any(one["default"] and "sound" in one["tasks"] for one in abilities)
