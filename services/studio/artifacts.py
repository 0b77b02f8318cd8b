"""Files of jobs for browsers, which play and download them as whoever is signed in."""

import logging
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.studio.failures import sentence_of
from services.studio.guard import refusal
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.sign_in import language_of
from services.studio.studio import BASE, Studio
from services.studio.texts import Texts

log = logging.getLogger(__name__)

#: What is handed on of the gateway's answer.
_HEADERS = ("content-type", "content-length", "content-range", "accept-ranges")


def routes(studio: Studio) -> APIRouter:
    """`/studio/jobs/{job}/artifacts/{name}`."""
    router = APIRouter()

    @router.get(f"{BASE}/jobs/{{job}}/artifacts/{{name}}")
    async def fetch(request: Request, job: str, name: str) -> Response:
        path = f"/v1/jobs/{quote(job, safe='')}/artifacts/{quote(name, safe='')}"
        return _Passed(studio, request, path)

    return router


class _Passed(Response):
    """A file as the gateway sends it, or the part of it that a player asks for."""

    def __init__(self, studio: Studio, request: Request, path: str) -> None:
        super().__init__()
        self._studio = studio
        self._request = request
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway, session = self._studio.gateway, self._request.state.session
        # As it is on the disk: lengths and parts are of that.
        asked = {"accept-encoding": "identity"}
        if part := self._request.headers.get("range"):
            asked["range"] = part
        started = False
        try:
            async with (
                gateway.session(session) as caller,
                caller.http.stream("GET", self._path, headers=asked) as answer,
            ):
                if answer.is_error:
                    await answer.aread()
                answer.raise_for_status()
                started = True
                await self._send(answer, send)
        except (httpx.HTTPError, SignedOut, ProviderFailed) as error:
            if started:
                # To return without the last message closes the connection: nothing else can tell.
                log.warning("artifact broken off")
                return
            message = sentence_of(error, Texts(language_of(self._request)))
            refused = refusal(_status(error), message, "artifact_unavailable")
            await refused(scope, receive, send)

    async def _send(self, answer: httpx.Response, send: Send) -> None:
        told = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
        # To be saved, never shown as a page of ours; players and pictures do not care. What it is
        # saved as the link says.
        told["content-disposition"] = "attachment"
        headers = [(name.encode(), value.encode()) for name, value in told.items()]
        status = answer.status_code
        await send({"type": "http.response.start", "status": status, "headers": headers})
        async for part in answer.aiter_raw():
            if await self._request.is_disconnected():
                return
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _status(error: Exception) -> int:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code
    return 401 if isinstance(error, SignedOut) else 503
