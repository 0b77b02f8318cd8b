"""Who gets in, from where, and what a page may do."""

import re

import httpx
import pytest
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.studio.guard import Guard
from services.studio.sessions import COOKIE, Sessions
from services.studio.shell import STATIC
from services.studio.texts import LANGUAGES, Texts
from tests.fakes.clock import FakeClock

HTML = {"accept": "text/html"}


async def key() -> str:
    return "sk-orf-1"


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands behind the guard: a page that says whether it came compressed."""
    path = scope["path"]
    if path.endswith(".js"):
        await PlainTextResponse("code", 404 if "missing" in path else 200)(scope, receive, send)
        return
    asked = any(name == b"accept-encoding" for name, _ in scope["headers"])
    page = f'<html lang="en"><head></head><body>{asked}<script>1</script></body></html>'
    await HTMLResponse(page)(scope, receive, send)


def browser(signed_in: bool = True, dismissed: bool = False) -> httpx.AsyncClient:
    sessions = Sessions(3600, 3600, 10)
    cookies = {COOKIE: sessions.open("me", key, "me").id} if signed_in else {COOKIE: "x"}
    if dismissed:
        sessions.dismiss(cookies[COOKIE])
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(Guard(inside, sessions, ("home", "song"))),
        base_url="http://studio.test",
        cookies=cookies,
    )


async def test_whoever_is_signed_in_gets_a_page_in_our_shell() -> None:
    async with browser() as http:
        answer = await http.get("/studio/es/song")
    assert answer.status_code == 200
    assert '<html lang="es"' in answer.text
    assert "Canción" in answer.text
    assert "False" in answer.text
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("path", ["/studio/en/song", "/studio/en/nope", "/studio/songs", "/other"])
async def test_nobody_else_gets_anything(path: str) -> None:
    async with browser(signed_in=False) as http:
        led = await http.get(path, headers=HTML)
        assert led.status_code == 303
        assert led.headers["location"] == f"/studio/sign-in?next={path}"
        for asked in (http.get(path), http.post(path, headers=HTML)):
            refused = await asked
            assert refused.status_code == 401
            assert refused.json()["error"]["code"] == "signed_out"


@pytest.mark.parametrize(
    "path",
    [
        "/studio/sign-in", "/studio/sign-out", "/studio/oidc/start", "/studio/static/a.js",
        "/healthz", "/readyz",
    ],
)  # fmt: skip
async def test_what_one_needs_to_get_in_or_out_is_open(path: str) -> None:
    async with browser(signed_in=False) as http:
        assert (await http.get(path)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "anything"},
        {"origin": "http://evil.example"},
        {"origin": "http://studio.test.evil.example"},
        {"origin": "http://studio.test:81"},
        {"origin": "null"},
        {"origin": "http://studio.test", "sec-fetch-site": "cross-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
async def test_another_site_may_change_nothing(method: str, headers: dict[str, str]) -> None:
    async with browser() as http:
        for path in ("/studio/sign-in", "/studio/en/gradio_api/queue/join", "/studio/songs/1"):
            answer = await http.request(method, path, headers=headers)
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "cross_site"


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"},
     {"origin": "http://studio.test"}],
)  # fmt: skip
async def test_our_own_pages_may(headers: dict[str, str]) -> None:
    async with browser() as http:
        assert (await http.post("/studio/songs/1", headers=headers)).status_code == 200


async def test_another_site_may_link_to_us_but_not_read_us() -> None:
    there = {"sec-fetch-site": "cross-site"}
    async with browser() as http:
        followed = await http.get("/studio/en/", headers={**there, "sec-fetch-mode": "navigate"})
        assert followed.status_code == 200
        for mode in ("no-cors", "cors"):
            read = await http.get("/studio/en/", headers={**there, "sec-fetch-mode": mode})
            assert read.status_code == 403


@pytest.mark.parametrize("path", ["/studio/en/", "/studio/sign-in", "/studio/en/assets/a.js"])
async def test_every_answer_says_what_a_page_may_do(path: str) -> None:
    async with browser() as http:
        headers = (await http.get(path)).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    for unsafe in ("'unsafe-inline'", "'unsafe-eval'", "*", "http:", "https:", "data:"):
        assert unsafe not in policy["script-src"].split()
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_nonce_is_good_for_one_answer() -> None:
    async with browser() as http:
        answers = [await http.get("/studio/en/") for _ in range(2)]
    nonces = set()
    for answer in answers:
        [inline] = re.findall(r'<script nonce="([^"]+)">1', answer.text)
        assert f"'nonce-{inline}'" in answer.headers["content-security-policy"]
        nonces.add(inline)
    assert len(nonces) == 2


async def test_only_what_never_changes_is_kept_by_browsers() -> None:
    async with browser() as http:
        assert (await http.get("/studio/en/")).headers["cache-control"] == "no-cache"
        for path in ("/studio/en/assets/a.js", f"{STATIC}/a.js", "/studio/en/theme.css?v=1"):
            kept = (await http.get(path)).headers["cache-control"]
            assert "immutable" in kept
            assert "private" in kept
        for path in ("/studio/static/other/a.js", "/studio/en/theme.css", f"{STATIC}/missing.js"):
            assert (await http.get(path)).headers["cache-control"] == "no-cache"


async def test_there_is_no_websocket() -> None:
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/studio/en/", "headers": []}
    await Guard(inside, Sessions(1, 1, 1), ())(scope, receive, send)
    assert all(message == {"type": "websocket.close"} for message in sent)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_refusals_are_in_the_language_of_the_page(language: str) -> None:
    t = Texts(language)
    async with browser(signed_in=False) as http:
        answer = await http.post(f"/studio/{language}/gradio_api/queue/join")
        assert answer.json()["error"]["message"] == t("errors.signed_out")
        # What Gradio's script shows.
        assert answer.json()["detail"] == t("errors.signed_out")
        foreign = {"origin": "http://evil.example"}
        answer = await http.post(f"/studio/{language}/gradio_api/upload", headers=foreign)
        assert answer.json()["error"]["message"] == t("errors.cross_site")


async def test_who_is_dismissed_hears_why_but_gets_no_page() -> None:
    async with browser(dismissed=True) as http:
        led = await http.get("/studio/en/song", headers=HTML)
        assert led.headers["location"] == "/studio/sign-in?next=/studio/en/song"
        assert (await http.get("/studio/en/gradio_api/queue/data")).status_code == 200


async def test_whoever_is_sent_to_sign_in_comes_back_for_what_they_wanted() -> None:
    async with browser(signed_in=False) as http:
        asset = await http.get("/studio/en/assets/a.js", headers=HTML)
        page = await http.get("/studio/en/song?job=1", headers=HTML)
    assert asset.headers["cache-control"] == "no-cache"
    assert page.headers["location"] == "/studio/sign-in?next=/studio/en/song%3Fjob%3D1"


async def test_boards_keep_nobody_signed_in() -> None:
    clock = FakeClock()
    sessions = Sessions(3600, 60, 10, clock)
    app = Guard(inside, sessions, ("home",))
    cookies = {COOKIE: sessions.open("me", key, "me").id}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://studio.test", cookies=cookies
    ) as http:
        for _ in range(3):
            clock.advance(25)
            answer = await http.get("/studio/boards/queue")
        assert answer.status_code == 401
