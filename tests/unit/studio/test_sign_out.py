"""Signing out, of a session by a key and of one by a provider."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape

import httpx
import pytest
from fastapi import FastAPI

from services.studio import sign_in, sign_out
from services.studio.caller import Gateway
from services.studio.sessions import COOKIE, Session, Sessions
from services.studio.settings import StudioSettings
from services.studio.studio import Studio
from services.studio.texts import LANGUAGES, Texts


@dataclass
class Known:
    """Somebody whom a provider let in, which signs them out at the address `away`."""

    sessions: Sessions
    away: str = "https://login.example.org/out?a=1&b=2"
    backs: list[str] = field(default_factory=list)
    forgotten: int = 0

    def way_out(self, back: str) -> str:
        assert len(self.sessions) == 0, "here it has to end first"
        self.backs.append(back)
        return self.away

    async def forget(self) -> None:
        assert len(self.sessions) == 0
        self.forgotten += 1


@asynccontextmanager
async def door(**settings: str) -> AsyncIterator[tuple[Sessions, httpx.AsyncClient]]:
    sessions = Sessions(3600, 3600, 10)
    gateway = Gateway("http://gateway.invalid", sessions, 5)
    app = FastAPI()
    told = StudioSettings.model_validate(
        {"oidc_issuer": "https://login.example.org", "oidc_client_id": "studio", **settings}
    )
    app.include_router(sign_out.routes(Studio(told, sessions, gateway)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://studio.test") as http:
        yield sessions, http
    await gateway.close()


def signed_in(sessions: Sessions, http: httpx.AsyncClient, known: Known | None) -> Session:
    session = sessions.open("me", sign_in.credential("x"), "me", known)
    http.cookies.set(COOKIE, session.id, domain="studio.test", path="/studio")
    return session


async def test_signing_out_ends_the_session_and_takes_the_cookie_back() -> None:
    async with door() as (sessions, http):
        session = signed_in(sessions, http, None)
        answer = await http.post("/studio/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/studio/sign-in")
        assert "max-age=0" in answer.headers["set-cookie"].lower()
        assert sessions.get(session.id) is None


async def test_who_is_not_signed_in_may_sign_out() -> None:
    async with door() as (_, http):
        http.cookies.set(COOKIE, "any", domain="studio.test", path="/studio")
        answer = await http.post("/studio/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/studio/sign-in")


async def test_nobody_is_signed_out_by_a_link() -> None:
    async with door() as (sessions, http):
        session = signed_in(sessions, http, None)
        assert (await http.get("/studio/sign-out")).status_code == 405
        assert sessions.get(session.id) is session


@pytest.mark.parametrize("dismissed", [False, True])
async def test_whom_a_provider_let_in_is_led_to_it(dismissed: bool) -> None:
    async with door() as (sessions, http):
        known = Known(sessions)
        session = signed_in(sessions, http, known)
        if dismissed:
            sessions.dismiss(session.id)
        answer = await http.post("/studio/sign-out")
        assert answer.status_code == 200
        assert "max-age=0" in answer.headers["set-cookie"].lower()
        assert answer.headers["cache-control"] == "no-store"
        page = unescape(answer.text)
        assert f'<meta http-equiv="refresh" content="0; url={known.away}">' in page
        # For browsers that do not go by themselves.
        assert f'href="{known.away}"' in page
        assert known.backs == ["http://studio.test/studio/sign-in"]
        assert known.forgotten == 1


async def test_one_comes_back_to_the_public_address() -> None:
    async with door(public_url="https://orfeon.example.org/") as (sessions, http):
        known = Known(sessions)
        signed_in(sessions, http, known)
        await http.post("/studio/sign-out")
        assert known.backs == ["https://orfeon.example.org/studio/sign-in"]


async def test_a_provider_that_signs_nobody_out_is_only_given_its_token_back() -> None:
    async with door() as (sessions, http):
        known = Known(sessions, away="")
        signed_in(sessions, http, known)
        answer = await http.post("/studio/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/studio/sign-in")
        assert known.forgotten == 1


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_says_where_it_leads_and_what_it_names_is_text(language: str) -> None:
    async with door(oidc_name="<b>Example</b>") as (sessions, http):
        signed_in(sessions, http, Known(sessions, away='https://login.example.org/"><script>'))
        answer = await http.post("/studio/sign-out", headers={"accept-language": language})
        assert f'<html lang="{language}">' in answer.text
        assert "<b>" not in answer.text
        assert "<script>" not in answer.text
        said = Texts(language)("sign_in.leaving", name="<b>Example</b>")
        assert said in unescape(answer.text)
