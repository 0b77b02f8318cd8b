"""Signing in, and where one is led then."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from services.studio import sign_in
from services.studio.caller import Gateway
from services.studio.sessions import COOKIE, Sessions
from services.studio.settings import StudioSettings
from services.studio.studio import Studio
from services.studio.texts import Texts

#: Nothing listens there, and no test of this tier may find out.
AWAY = "http://gateway.invalid"


@asynccontextmanager
async def door(public_url: str = "", scheme: str = "http") -> AsyncIterator[httpx.AsyncClient]:
    sessions = Sessions(3600, 3600, 10)
    settings = StudioSettings(gateway_url=AWAY, public_url=public_url)
    gateway = Gateway(AWAY, sessions, 5)
    studio = Studio(settings, sessions, gateway)
    app = FastAPI()
    app.state.studio = studio
    app.include_router(sign_in.routes(studio))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://studio.test") as http:
        yield http
    await gateway.close()


def request(language: str = "es", query: bytes = b"", scheme: str = "http") -> Request:
    scope = {
        "type": "http", "method": "GET", "path": "/studio/sign-in", "query_string": query,
        "scheme": scheme, "server": ("studio.test", 80),
        "headers": [(b"accept-language", language.encode()), (b"host", b"studio.test")],
    }  # fmt: skip
    return Request(scope)


@pytest.mark.parametrize(
    "next",
    ["/studio/es/song", "/studio/es/song?job=song_1", "/studio/es/", "/studio/en/queue?a=1&b=2"],
)
def test_one_is_led_to_where_one_wanted_to_go(next: str) -> None:
    assert sign_in.local(next, request()) == next


@pytest.mark.parametrize(
    "next",
    [
        "", "/", "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example",
        "/studio", "/studiox/", "studio/es/", " /studio/es/", "/studio/../evil", "/studio/a\\b",
        "/studio/es/\r\nset-cookie: a=b", "javascript:alert(1)", "/sign-in",
        "/studio/..//evil.example",
        "https://studio.test/studio/es/", "http:/studio/es/", "/v1/models",
    ],
)  # fmt: skip
def test_one_is_led_nowhere_else(next: str) -> None:
    assert sign_in.local(next, request()) == "/studio/es/"


@pytest.mark.parametrize(
    "next", ["/studio/@evil.example/", "/studio/ñ", '/studio/"><b>', "/studio/\t/"]
)
def test_what_an_address_leads_to_stays_below_ours(next: str) -> None:
    led = sign_in.local(next, request())
    assert led.isascii()
    assert led.startswith("/studio/")
    assert httpx.URL("http://studio.test").join(led).host == "studio.test"


@pytest.mark.parametrize(
    "key",
    ["", "   ", "clé", "k\x00y", "a\nb", "x" * 513, "x" * 10_000, "日本語", "sk-orf-\u200b1"],
)
async def test_what_can_be_no_key_is_not_even_asked_about(key: str) -> None:
    async with door() as http:
        answer = await http.post("/studio/sign-in", data={"key": key, "next": "/studio/es/song"})
    assert answer.status_code == 401
    assert Texts("en")("sign_in.wrong_key") in answer.text
    # Where one wanted to go is not lost by it.
    assert 'name="next" value="/studio/es/song"' in answer.text
    assert "set-cookie" not in answer.headers


async def test_a_form_of_another_encoding_gives_no_fault() -> None:
    body = b'--b\r\ncontent-disposition: form-data; name="next"\r\n\r\n/studio/\\ud800\r\n--b--\r\n'
    kind = "multipart/form-data; boundary=b; charset=raw_unicode_escape"
    async with door() as http:
        answer = await http.post("/studio/sign-in", content=body, headers={"content-type": kind})
    assert answer.status_code == 401


async def test_what_an_address_says_is_text_in_the_page() -> None:
    async with door() as http:
        answer = await http.get("/studio/sign-in", params={"next": '"><script>alert(1)</script>'})
    assert "<script>" not in answer.text


async def test_the_page_speaks_the_language_that_is_asked_for() -> None:
    async with door() as http:
        spanish = await http.get("/studio/sign-in?lang=es", headers={"accept-language": "en"})
        assert '<html lang="es">' in spanish.text
        led = await http.get("/studio", headers={"accept-language": "es-MX"})
        assert (led.status_code, led.headers["location"]) == (303, "/studio/es/")
        led = await http.get("/", headers={"accept-language": "fr"})
        assert led.headers["location"] == "/studio/en/"


async def test_the_page_stays_in_its_language_whatever_the_browser_prefers() -> None:
    english = {"accept-language": "en"}
    async with door() as http:
        asked = await http.get("/studio/sign-in?next=/studio/es/song", headers=english)
        assert '<html lang="es">' in asked.text
        assert 'action="/studio/sign-in?lang=es"' in asked.text
        refused = await http.post("/studio/sign-in?lang=es", data={"key": ""}, headers=english)
        assert refused.status_code == 401
        assert Texts("es")("sign_in.wrong_key") in refused.text


async def test_who_is_dismissed_can_sign_in_again() -> None:
    async with door() as http:
        studio = app_of(http).state.studio
        session = studio.sessions.open("me", sign_in.credential("sk-orf-1"), "me")
        http.cookies.set(COOKIE, session.id, domain="studio.test", path="/studio")
        assert (await http.get("/studio/sign-in")).status_code == 303
        studio.sessions.dismiss(session.id)
        assert (await http.get("/studio/sign-in")).status_code == 200


def app_of(http: httpx.AsyncClient) -> FastAPI:
    transport = http._transport
    assert isinstance(transport, httpx.ASGITransport)
    assert isinstance(transport.app, FastAPI)
    return transport.app


@pytest.mark.parametrize(
    ("public_url", "scheme", "secure"),
    [
        ("", "http", False),
        ("", "https", True),
        ("https://orfeon.example.org", "http", True),
        ("http://orfeon.example.org", "https", False),
    ],
)
async def test_the_cookie_is_for_us_alone(public_url: str, scheme: str, secure: bool) -> None:
    sessions = Sessions(3600, 3600, 10)
    settings = StudioSettings(public_url=public_url)
    studio = Studio(settings, sessions, Gateway(AWAY, sessions, 5))
    session = sessions.open("me", sign_in.credential("sk-orf-1"), "me")
    led = sign_in.signed_in(studio, request(scheme=scheme), session, "/studio/es/song")
    cookie = led.headers["set-cookie"].lower()
    assert led.headers["location"] == "/studio/es/song"
    assert cookie.startswith(f"{COOKIE}={session.id}".lower())
    flags = {part.strip() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=lax", "path=/studio", "max-age=43200"} <= flags
    assert ("secure" in flags) is secure
    await studio.gateway.close()


async def test_whoever_signs_in_again_leaves_the_session_before() -> None:
    sessions = Sessions(3600, 3600, 10)
    studio = Studio(StudioSettings(), sessions, Gateway(AWAY, sessions, 5))
    old = sessions.open("me", sign_in.credential("sk-orf-1"), "me")
    new = sessions.open("me", sign_in.credential("sk-orf-2"), "me")
    asked = request()
    asked.scope["headers"].append((b"cookie", f"{COOKIE}={old.id}".encode()))
    sign_in.signed_in(studio, asked, new, "")
    assert sessions.get(old.id) is None
    assert sessions.get(new.id) is new
    await studio.gateway.close()


async def test_a_key_is_the_credential_as_it_is() -> None:
    assert await sign_in.credential("sk-orf-1")() == "sk-orf-1"


def test_one_is_not_led_to_an_address_that_no_cookie_holds() -> None:
    assert sign_in.local("/studio/" + "a" * 504, request()) == "/studio/" + "a" * 504
    assert sign_in.local("/studio/" + "a" * 505, request()) == "/studio/es/"
    assert sign_in.local("/studio/" + "ñ" * 100, request()) == "/studio/es/"


async def test_a_key_is_tried_without_reading_certificates_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with door() as http:
        monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: pytest.fail("again"))
        answer = await http.post("/studio/sign-in", data={"key": "sk-orf-guessed"})
    assert answer.status_code == 503
