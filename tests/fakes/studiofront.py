"""The web app's own routes behind its door, before a gateway that is a function."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from services.studio.caller import Gateway
from services.studio.guard import Guard
from services.studio.sessions import COOKIE, Sessions
from services.studio.settings import StudioSettings
from services.studio.sign_in import credential
from services.studio.studio import Studio

KEY = "sk-orf-1"


@dataclass
class Front:
    """Somebody who is signed in."""

    app: FastAPI
    sessions: Sessions
    http: httpx.AsyncClient
    session: str

    def sign_out(self) -> None:
        """Ends the session, which the browser does not know of."""
        self.sessions.close(self.session)

    async def messages(self, path: str, leaves: bool = False) -> list[dict[str, Any]]:
        """What is sent for a GET, as ASGI; to a browser that leaves after the first of it."""
        sent: list[dict[str, Any]] = []
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if leaves and asked:
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"cookie", f"{COOKIE}={self.session}".encode()), (b"host", b"studio.test")]
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
            "query_string": b"", "headers": headers, "root_path": "", "scheme": "http",
            "http_version": "1.1", "server": ("studio.test", 80), "client": ("browser", 1),
        }  # fmt: skip
        await self.app(scope, receive, send)
        return sent


@asynccontextmanager
async def front(
    gateway: Callable[[httpx.Request], httpx.Response], routes: Callable[[Studio], APIRouter]
) -> AsyncIterator[Front]:
    """Routes of the web app, and somebody signed in with `KEY`."""
    sessions = Sessions(3600, 3600, 10)
    transport = httpx.MockTransport(gateway)
    reached = Gateway("http://gateway.test", sessions, 5, transport=transport)
    app = FastAPI()
    app.include_router(routes(Studio(StudioSettings(), sessions, reached)))
    app.add_middleware(Guard, sessions=sessions, pages=())
    session = sessions.open("somebody", credential(KEY), "somebody").id
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://studio.test",
        cookies={COOKIE: session},
    ) as http:
        yield Front(app, sessions, http, session)
    await reached.close()
