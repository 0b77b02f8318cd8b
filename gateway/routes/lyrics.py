"""`/v1/lyrics`."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Body, Request
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from gateway.exchange import Exchange, exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.generation import new_id
from gateway.guard import Guard
from gateway.openapi import EVENTS, failures
from gateway.retry import Retries
from gateway.schemas.lyrics import (
    Header,
    Lyrics,
    LyricsCreated,
    LyricsDone,
    LyricsLineEvent,
    LyricsRequest,
    LyricsUsage,
    Section,
)
from gateway.streaming import EventStream, event, while_connected
from gateway.upstreams import Upstreams
from orfeon.api.lyrics.v1 import lyrics_pb2
from services.runtime.connection import answers
from services.runtime.errors import Internal
from services.runtime.sections import KIND_NAMES, KIND_NUMBERS

#: Fields that have one name here and in the contract.
_TEXTS = ("genre", "title", "style", "theme", "mood", "language", "first_line")
_NUMERIC = ("lines", "seed", "temperature", "top_p", "top_k")

_EXAMPLES = {
    "song": {
        "summary": "A rock song",
        "value": {"genre": "rock", "title": "Thunder Road", "theme": "leaving town", "seed": 7},
    },
    "stream": {
        "summary": "A short sad song with its first line, streamed",
        "value": {
            "genre": "pop",
            "mood": "sad",
            "first_line": "I still set two cups in the morning",
            "sections": ["verse", "chorus"],
            "stream": True,
        },
    },
}

Pieces = AsyncGenerator[lyrics_pb2.WriteLyricsResponse, None]


def lyrics_router(gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries) -> APIRouter:
    """The route of lyrics."""
    guard = Guard(gatekeeper, "lyrics", "json")
    router = APIRouter(route_class=guard.route_class(), tags=["lyrics"])

    @router.post(
        "/v1/lyrics",
        summary="Write the lyrics of a song",
        response_model=Lyrics,
        responses={200: EVENTS, **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)},
    )
    async def create_lyrics(
        request: Request, body: Annotated[LyricsRequest, Body(openapi_examples=_EXAMPLES)]
    ) -> Response:
        """Sections of lines, each with its syllables; with `stream`, server-sent events: one
        `lyrics.created`, a `lyrics.line` for each line, one `lyrics.done`, and `[DONE]`.
        """
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        asked = _contract(body)
        title = body.title.strip() or None

        def begin() -> Pieces:
            call = upstreams.lyrics.WriteLyrics(
                asked, metadata=context.metadata(), timeout=context.timeout()
            )
            return answers(call)

        if body.stream:

            def stream() -> AsyncGenerator[bytes, None]:
                return _events(begin(), title, gatekeeper, exchange)

            return EventStream(retries.pieces("lyrics", context, stream))

        async def ask() -> Lyrics:
            return await _whole(begin(), title)

        async with while_connected(request.receive):
            song = await retries.whole("lyrics", context, ask)
        tokens = song["usage"]["total_tokens"]
        return JSONResponse(song, background=BackgroundTask(gatekeeper.charge, exchange, tokens))

    return router


def _contract(body: LyricsRequest) -> lyrics_pb2.WriteLyricsRequest:
    return lyrics_pb2.WriteLyricsRequest(
        sections=[KIND_NUMBERS[kind] for kind in body.sections],
        **{name: getattr(body, name) for name in _TEXTS + _NUMERIC},
    )


async def _whole(pieces: Pieces, title: str | None) -> Lyrics:
    header: Header | None = None
    sections: list[Section] = []
    usage: LyricsUsage | None = None
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.HasField("started"):
                header = _header(piece.started, title)
            elif piece.HasField("line"):
                if piece.line.section == len(sections):
                    sections.append({"kind": KIND_NAMES[piece.line.kind], "lines": []})
                sections[-1]["lines"].append(
                    {"text": piece.line.text, "syllables": piece.line.syllables}
                )
            else:
                usage = _usage(piece.finished)
    if header is None or usage is None:
        raise _too_soon()
    return {**header, "object": "lyrics", "sections": sections, "usage": usage}


async def _events(
    pieces: Pieces, title: str | None, gatekeeper: Gatekeeper, exchange: Exchange
) -> AsyncGenerator[bytes, None]:
    usage: LyricsUsage | None = None
    async with gatekeeper.charging(exchange) as bill, aclosing(pieces):
        async for piece in pieces:
            if piece.HasField("finished"):
                usage = _usage(piece.finished)
                bill.tokens = usage["total_tokens"]
            else:
                # Who leaves before the end is charged a token for each word.
                bill.tokens += len(piece.line.text.split())
                if piece.HasField("line"):
                    exchange.began_output()
                yield event(_event(piece, title))
    if usage is None:
        raise _too_soon()
    done: LyricsDone = {"type": "lyrics.done", "usage": usage}
    yield event(done)


def _event(
    piece: lyrics_pb2.WriteLyricsResponse, title: str | None
) -> LyricsCreated | LyricsLineEvent:
    if piece.HasField("started"):
        return {"type": "lyrics.created", **_header(piece.started, title)}
    return {
        "type": "lyrics.line",
        "section": piece.line.section,
        "kind": KIND_NAMES[piece.line.kind],
        "text": piece.line.text,
        "syllables": piece.line.syllables,
    }


def _usage(finished: lyrics_pb2.Finished) -> LyricsUsage:
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "total_tokens": finished.prompt_tokens + finished.completion_tokens,
    }


def _header(started: lyrics_pb2.Started, title: str | None) -> Header:
    return {
        "id": new_id("lyrics-"),
        "created": int(time.time()),
        "genre": started.genre,
        "model": started.model,
        "language": started.language,
        "title": title,
        "seed": started.seed,
    }


def _too_soon() -> Internal:
    return Internal("The service ended its answer too soon.")
