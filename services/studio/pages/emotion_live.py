"""Live listening: what a browser sends, and the rolling timeline that it shows.

Gradio's own streaming makes a file and an event of every tenth of a second; here a browser sends
plain samples four times a second, which ten people may do at once on two cores, and nothing is
written to a disk.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse

from orfeon.live import AsyncLive
from services.studio.failures import sentence_of
from services.studio.feelings import feeling
from services.studio.listening import LONG, SILENT, Listener, Listeners
from services.studio.markup import block, text
from services.studio.pages.emotion_answer import headline, percent
from services.studio.pages.emotion_timeline import View, clock, drawn, merged
from services.studio.sessions import Session
from services.studio.studio import BASE, Studio
from services.studio.texts import LANGUAGES, Texts

#: How much of the past is shown, seconds.
_WINDOW = 30.0
#: How much a browser may send at once: some seconds, after its network was slow.
_MOST_BYTES = 2**20
#: How long the end of a stream is waited for, seconds. The page itself waits for 15.
_PATIENCE = 12.0


def routes(studio: Studio) -> APIRouter:
    """`/studio/live`: begun by POST, fed by POST below its id, ended by DELETE.

    Every answer has `html`, the timeline; `status`, a sentence; `ended`; and `id`.
    """
    router = APIRouter(prefix=f"{BASE}/live")
    listeners = Listeners()

    @router.post("")
    async def start(
        request: Request,
        language: str = LANGUAGES[0],
        rate: int = Query(16_000, ge=8_000, le=96_000),
    ) -> JSONResponse:
        session: Session = request.state.session

        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncLive]:
            async with (
                studio.gateway.session(session) as caller,
                caller.orfeon.listen(sample_rate=rate) as live,
            ):
                yield live

        return _told(listeners.open(session.id, rate, opened), language)

    @router.post("/{id}")
    async def hear(request: Request, id: str, language: str = LANGUAGES[0]) -> JSONResponse:
        listener = listeners.get(request.state.session.id, id)
        samples = await _body(request)
        if listener is None:
            return _elsewhere(language)
        listener.hear(samples)
        return _told(listener, language)

    @router.delete("/{id}")
    async def finish(request: Request, id: str, language: str = LANGUAGES[0]) -> JSONResponse:
        listener = listeners.get(request.state.session.id, id)
        if listener is None:
            return _elsewhere(language)
        listener.finish()
        with suppress(TimeoutError):
            await asyncio.wait_for(listener.over.wait(), _PATIENCE)
        return _told(listener, language)

    return router


async def _body(request: Request) -> bytes:
    """The samples of a request. Raises `HTTPException` for more than anybody speaks."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, "Send at most 1 MiB at a time.")
    return bytes(body[: len(body) // 2 * 2])


def _told(listener: Listener, language: str) -> JSONResponse:
    t = _texts(language)
    return JSONResponse(
        {
            "id": listener.id,
            "html": shown(listener, t),
            "status": status(listener, t),
            "ended": listener.ended is not None,
        }
    )


def _elsewhere(language: str) -> JSONResponse:
    sentence = _texts(language)("emotion.live_elsewhere")
    return JSONResponse({"id": "", "html": None, "status": sentence, "ended": True})


def _texts(language: str) -> Texts:
    return Texts(language if language in LANGUAGES else LANGUAGES[0])


def status(listener: Listener, t: Texts) -> str:
    """How it goes, in a sentence that changes seldom enough to be read aloud."""
    if isinstance(listener.ended, Exception):
        return sentence_of(listener.ended, t)
    match listener.ended:
        case None if listener.now:
            return t("emotion.live_hears")
        case None if listener.utterances:
            last = listener.utterances[-1]
            score = percent(last.confidence or 0.0)
            name = feeling(last.label or "", t).name
            return f"{clock(last.start)} – {clock(last.end)}: {name}, {score}"
        case None:
            return t("emotion.live_quiet")
        case "silent":
            return t("emotion.live_silent", minutes=round(SILENT / 60))
        case "long":
            return t("emotion.live_long", minutes=round(LONG / 60))
        case "behind":
            return t("emotion.live_lost")
        case "elsewhere":
            return t("emotion.live_elsewhere")
        case _:
            return t("emotion.live_done", length=clock(listener.seconds))


def shown(listener: Listener, t: Texts) -> str:
    """The last half minute, what is told just now, and what was said before, as HTML."""
    now = headline(listener.now, t) if listener.now else t("emotion.live_quiet")
    end = max(listener.seconds, _WINDOW)
    view = View(end - _WINDOW, end, merged(listener.moments), (), listener.waveform, fits=True)
    said = "".join(
        f"<li>{clock(each.start)} – {clock(each.end)}: {feeling(each.label, t).name}, "
        f"{text(percent(each.confidence))}</li>"
        for each in reversed(listener.utterances)
        if each.label is not None and each.confidence is not None
    )
    utterances = f"<h2>{t('emotion.live_utterances')}</h2><ol>{said}</ol>" if said else ""
    headline_now = "" if listener.ended is not None else f"<p class='emotion-headline'>{now}</p>"
    return block(f"{headline_now}{drawn(view, t)}{utterances}")
