"""What the pages of models and of the queue show, as it is now; and the buttons on them."""

from collections.abc import Awaitable, Callable

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from orfeon import AsyncOrfeon, Model
from orfeon.errors import (
    APIStatusError,
    NotFoundError,
    OrfeonError,
    PermissionDeniedError,
)
from services.studio import modelboard, queueboard
from services.studio.caller import Caller
from services.studio.failures import sentence_of
from services.studio.guard import refusal
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.sign_in import language_of
from services.studio.studio import BASE, Studio
from services.studio.texts import Texts

#: Jobs that are listed.
_NEWEST = 20
#: A model that nobody can have: what is asked of it changes nothing.
_NOBODYS = "-"
_FAILURES = (OrfeonError, SignedOut, httpx.TransportError, ProviderFailed)
_ACTIONS: dict[str, Callable[[AsyncOrfeon, str], Awaitable[Model]]] = {
    "load": lambda orfeon, model: orfeon.load_model(model),
    "pin": lambda orfeon, model: orfeon.load_model(model, pinned=True),
    "unpin": lambda orfeon, model: orfeon.load_model(model, pinned=False),
    "unload": lambda orfeon, model: orfeon.unload_model(model),
}


def routes(studio: Studio) -> APIRouter:
    """`/studio/boards/models` and `/studio/boards/queue`. `lang` says in which language."""
    router = APIRouter(prefix=f"{BASE}/boards")

    @router.get("/models")
    async def models(request: Request, manages: bool | None = None) -> Response:
        """`manages` is whether there shall be buttons; left out, the gateway is asked."""

        async def shown(caller: Caller, t: Texts) -> Response:
            every = await caller.orfeon.models()
            may = await _manages(caller.orfeon) if manages is None else manages
            return HTMLResponse(modelboard.board(every, may, t))

        return await _answer(studio, request, shown)

    @router.post("/models/{model:path}/{action}")
    async def change(request: Request, model: str, action: str) -> Response:
        async def changed(caller: Caller, t: Texts) -> Response:
            if action not in _ACTIONS:
                return refusal(404, t("errors.missing"), "missing")
            now = await _ACTIONS[action](caller.orfeon, model)
            return HTMLResponse(modelboard.said(action, now, t))

        return await _answer(studio, request, changed)

    @router.get("/queue")
    async def queue(request: Request) -> Response:
        async def shown(caller: Caller, t: Texts) -> Response:
            requests = await caller.orfeon.queue()
            try:
                jobs = await caller.orfeon.jobs.list(_NEWEST)
            except (PermissionDeniedError, NotFoundError):
                # A key that may make no songs has none, nor has a server without that service.
                jobs = []
            return HTMLResponse(queueboard.board(requests, jobs, t))

        return await _answer(studio, request, shown)

    return router


async def _answer(
    studio: Studio, request: Request, work: Callable[[Caller, Texts], Awaitable[Response]]
) -> Response:
    """What `work` answers; what fails in it as a sentence."""
    t = Texts(language_of(request))
    try:
        async with studio.gateway.session(request.state.session) as caller:
            return await work(caller, t)
    except _FAILURES as error:
        return refusal(_status(error), sentence_of(error, t), "refused")


async def _manages(orfeon: AsyncOrfeon) -> bool:
    """Whether a key may load and unload models: nothing but asking for it tells."""
    try:
        await orfeon.unload_model(_NOBODYS)
    except PermissionDeniedError:
        return False
    except NotFoundError:
        return True
    return True


def _status(error: Exception) -> int:
    if isinstance(error, APIStatusError):
        return error.status
    return 401 if isinstance(error, SignedOut) else 503
