"""What the song page asks for by itself: how a song goes on, what there is, another, none."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.responses import Response

from orfeon import AsyncOrfeon, Job
from orfeon.errors import (
    APIConnectionError,
    APIStatusError,
    NotFoundError,
    OrfeonError,
    ServiceUnavailableError,
)
from services.studio import songview
from services.studio.failures import sentence_of
from services.studio.guard import refusal
from services.studio.karaoke import timed_lines
from services.studio.pianoroll import Track, tracks_of
from services.studio.sessions import ProviderFailed, Session, SignedOut
from services.studio.sign_in import language_of
from services.studio.songrecord import result
from services.studio.studio import BASE, Studio
from services.studio.texts import Texts
from services.studio.verses import parsed, written

log = logging.getLogger(__name__)

#: Songs that are listed.
_NEWEST = 30
#: Milliseconds after which a browser comes back where the stream ended before the song did.
_RETRY = b"retry: 3000\n\n"
#: What passes by itself, and all that a call may fail with.
_PASSING = (APIConnectionError, ServiceUnavailableError, httpx.TransportError, ProviderFailed)
_FAILURES = (OrfeonError, SignedOut, httpx.TransportError, ProviderFailed)


def routes(studio: Studio) -> APIRouter:
    """`/studio/songs`, and below it each song. `lang` says in which language."""
    router = APIRouter(prefix=f"{BASE}/songs")

    @router.get("")
    async def made(request: Request) -> Response:
        t = Texts(language_of(request))
        try:
            async with studio.gateway.session(request.state.session) as caller:
                jobs = await caller.orfeon.jobs.list(_NEWEST)
        except _FAILURES as error:
            return _refused(error, t)
        return HTMLResponse(songview.history(jobs, t))

    @router.get("/{job}")
    async def follow(request: Request, job: str) -> Response:
        told = _told(studio, request.state.session, job, Texts(language_of(request)))
        return StreamingResponse(told, media_type="text/event-stream")

    @router.delete("/{job}")
    async def cancel(request: Request, job: str) -> Response:
        try:
            async with studio.gateway.session(request.state.session) as caller:
                await caller.orfeon.jobs.cancel(job)
        except _FAILURES as error:
            return _refused(error, Texts(language_of(request)))
        return Response(status_code=204)

    @router.post("/{job}/again")
    async def again(request: Request, job: str) -> Response:
        try:
            async with studio.gateway.session(request.state.session) as caller:
                other = await caller.orfeon.songs.again(job, "melody")
        except _FAILURES as error:
            return _refused(error, Texts(language_of(request)))
        return JSONResponse({"job": other.id}, 202)

    return router


async def _told(
    studio: Studio, session: Session | None, job: str, t: Texts
) -> AsyncGenerator[bytes, None]:
    """A song at each change, as HTML, until it has ended."""
    yield _RETRY
    words = ""
    try:
        async with studio.gateway.session(session) as caller:
            async for state in caller.orfeon.jobs.events(job):
                if state.status == "completed":
                    html = await _result(caller.orfeon, state, t)
                else:
                    words = words or await _words(caller.orfeon, state, t)
                    html = songview.progress(state, words, t)
                yield _event(says=songview.says(state, t), html=html, ended=state.ended)
    except NotFoundError:
        yield _event(notice=t("song.gone"), ended=True)
    except _FAILURES as error:
        yield _event(notice=_sentence(error, t), ended=not isinstance(error, _PASSING))
    except Exception as error:
        log.exception("a song could not be shown")
        yield _event(notice=sentence_of(error, t), ended=True)


async def _words(orfeon: AsyncOrfeon, job: Job, t: Texts) -> str:
    """The lyrics, as soon as they are written."""
    if all(file.name != "lyrics.txt" for file in job.artifacts):
        return ""
    try:
        text = (await orfeon.jobs.read(job.id, "lyrics.txt")).decode("utf-8", "replace")
    except NotFoundError:
        return ""  # Cancelled at this moment.
    return written(parsed(text), t)


async def _result(orfeon: AsyncOrfeon, job: Job, t: Texts) -> str:
    files = {file.name for file in job.artifacts}
    lines: list[tuple[float, str]] = []
    if "lyrics.lrc" in files:
        lrc = await orfeon.jobs.read(job.id, "lyrics.lrc")
        lines = timed_lines(lrc.decode("utf-8", "replace"))
    tracks: list[Track] = []
    if "melody.mid" in files:
        midi = await orfeon.jobs.read(job.id, "melody.mid")
        # A song is there to be heard; without its notes it still is.
        with contextlib.suppress(ValueError):
            tracks = await asyncio.to_thread(tracks_of, midi)
    return result(job, lines, tracks, t)


def _event(says: str = "", html: str = "", notice: str = "", ended: bool = False) -> bytes:
    told = {"says": says, "html": html, "notice": notice, "ended": ended}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def _refused(error: Exception, t: Texts) -> Response:
    if isinstance(error, SignedOut):
        status = 401
    else:
        status = error.status if isinstance(error, APIStatusError) else 503
    return refusal(status, _sentence(error, t), "refused")


def _sentence(error: Exception, t: Texts) -> str:
    return t("song.gone") if isinstance(error, NotFoundError) else sentence_of(error, t)
