"""Which of Gradio's routes are open, to whom, and how all of them refuse."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from services.studio.doors import Doors
from services.studio.sessions import Session
from services.studio.shares import Budgets, Tabs
from services.studio.texts import LANGUAGES, Texts
from tests.fakes.clock import FakeClock

EN = "/studio/en"
API = f"{EN}/gradio_api"


async def key() -> str:
    return "sk-orf-1"


def gradio() -> FastAPI:
    """Something that answers everything, as Gradio would and as it would not."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def alive() -> str:
        return "ok"

    @app.get("/readyz")
    async def ready() -> PlainTextResponse:
        return PlainTextResponse("the gateway is away", 503)

    @app.get("/studio/fails")
    async def fails() -> None:
        raise RuntimeError("a secret of ours")

    @app.get("/studio/says/{status}")
    async def says(status: int) -> None:
        raise HTTPException(status, "a secret of theirs")

    @app.api_route("/studio/{language}/{path:path}", methods=["GET", "HEAD", "POST"])
    async def anything(request: Request, path: str) -> dict[str, Any]:
        body = await request.body()
        if b'"fn_index":9999' in body:
            raise KeyError(9999)
        return {"path": path, "body": body.decode()}

    return app


#: Bytes that may be uploaded at once.
MOST = 1000


class Person:
    """Sets who asks, as the guard does."""

    def __init__(self, app: Doors, session: str | None) -> None:
        self._app = app
        self._session = Session(session, session, session, key, 1.0) if session else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"session": self._session}
        await self._app(scope, receive, send)


def as_(session: str | None = "me", doors: Doors | None = None) -> httpx.AsyncClient:
    app = Person(doors or Doors(gradio(), ("home", "song"), MOST), session)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://studio.test")


def told(answer: httpx.Response, key: str, language: str = "en") -> bool:
    sentence = Texts(language)(f"errors.{key}")
    body = answer.json()
    return bool(
        answer.text.startswith('{"error"')
        and body["error"]["message"] == body["detail"] == sentence
        and body["error"]["code"] == key
    )


@pytest.mark.parametrize(
    "path",
    [
        "", "song", "assets/index-x.js", "theme.css", "config", "gradio_api/file=/tmp/made/x.mp3",
        "gradio_api/queue/data?session_hash=a", "gradio_api/heartbeat/a",
        "gradio_api/upload_progress?upload_id=1", "gradio_api/startup-events",
    ],
)  # fmt: skip
async def test_what_pages_read_is_open(path: str) -> None:
    async with as_() as http:
        assert (await http.get(f"{EN}/{path}")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "nope", "monitoring", "manifest.json", "login", "logout", "svelte", "assets",
        "gradio_api/openapi.json", "gradio_api/proxy=http://127.0.0.1:8000/metrics",
        "gradio_api/file=http://127.0.0.1:8000/metrics", "gradio_api/file=https://a.example/",
        "gradio_api/file=HTTP://a.example/", "gradio_api/file/etc/passwd", "gradio_api/vibe-code",
        "gradio_api/dev/reload", "gradio_api/runs", "gradio_api/call/x/y", "gradio_api/token",
        "gradio_api/deep_link", "gradio_api/custom_component/a/b/c/d", "gradio_api/",
    ],
)  # fmt: skip
async def test_everything_else_of_gradio_is_shut(path: str) -> None:
    async with as_() as http:
        answer = await http.get(f"{EN}/{path}")
        assert answer.status_code == 404
        assert told(answer, "missing")


@pytest.mark.parametrize(
    "path",
    ["run/x", "api/predict", "call/x", "process_recording", "vibe-edit", "run-history/connect"],
)
async def test_nothing_else_can_be_sent_to_it(path: str) -> None:
    async with as_() as http:
        assert (await http.post(f"{API}/{path}", json={})).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{EN}/song"), ("DELETE", f"{EN}/"), ("GET", f"{API}/queue/join"),
        ("POST", f"{API}/queue/data"), ("PUT", f"{API}/upload"), ("OPTIONS", f"{API}/upload"),
        ("PATCH", f"{API}/queue/join"),
    ],
)  # fmt: skip
async def test_a_wrong_method_is_refused(method: str, path: str) -> None:
    async with as_() as http:
        answer = await http.request(method, path)
        assert answer.status_code == 405
        assert told(answer, "method")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{bad", b"[]", b"1", b"null", b'"a"', b"{}", b'{"session_hash": 5}',
        b'{"session_hash": ""}', b'{"session_hash": null}', b"\xff\xfe", b"[" * 100_000,
        b'{"session_hash": "' + b"a" * 65 + b'"}', b'{"session_hash": "\xed\xa0\x80"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["queue/join", "cancel", "reset", "component_server"])
async def test_a_body_that_is_none_of_its_script_is_refused(path: str, body: bytes) -> None:
    async with as_() as http:
        headers = {"content-type": "application/json"}
        answer = await http.post(f"{API}/{path}", content=body, headers=headers)
        assert answer.status_code == 400
        assert told(answer, "refused")


async def test_a_body_that_may_pass_arrives_as_it_was() -> None:
    body = json.dumps({"session_hash": "a", "data": ["ñ" * 10_000]}).encode()
    async with as_() as http:
        answer = await http.post(f"{API}/queue/join", content=body)
    assert answer.json()["body"].encode() == body


async def test_a_body_that_is_too_large_is_refused() -> None:
    body = b'{"session_hash": "a", "data": ["' + b"x" * (9 * 2**20) + b'"]}'
    async with as_() as http:
        answer = await http.post(f"{API}/queue/join", content=body)
    assert answer.status_code == 413
    assert told(answer, "too_large")


async def test_an_event_that_there_is_not_is_a_mistake_of_who_asks() -> None:
    async with as_() as http:
        answer = await http.post(f"{API}/queue/join", json={"session_hash": "a", "fn_index": 9999})
    assert answer.status_code == 400


async def test_nobody_reads_or_stops_what_another_session_asked_for() -> None:
    doors = Doors(gradio(), ("home", "song"), MOST)
    async with as_("me", doors) as mine, as_("other", doors) as other:
        assert (await mine.post(f"{API}/queue/join", json={"session_hash": "a"})).status_code == 200
        for stolen in (
            other.get(f"{API}/queue/data?session_hash=a"),
            other.get(f"{API}/heartbeat/a"),
            other.post(f"{API}/cancel", json={"session_hash": "a", "event_id": "e"}),
            other.post(f"{API}/queue/join", json={"session_hash": "a"}),
        ):
            answer = await stolen
            assert answer.status_code == 401
            assert told(answer, "signed_out")
        assert (await mine.get(f"{API}/queue/data?session_hash=a")).status_code == 200
        assert (await other.get(f"{API}/queue/data?session_hash=b")).status_code == 200


@pytest.mark.parametrize(
    "query",
    ["", "?session_hash=", "?session_hash=" + "a" * 65, "?other=a",
     "?session_hash=a&session_hash=b",
     "?session_hash=a&session_hash=", "?session_hash=&session_hash=a"],
)  # fmt: skip
async def test_a_stream_of_no_tab_is_refused(query: str) -> None:
    async with as_() as http:
        assert (await http.get(f"{API}/queue/data{query}")).status_code == 400


def test_the_tab_longest_unused_is_forgotten() -> None:
    tabs = Tabs(most=2)
    assert tabs.claim("a", "me")
    assert tabs.claim("b", "me")
    assert tabs.claim("a", "me")
    assert tabs.claim("c", "me")
    assert tabs.claim("b", "other")
    assert not tabs.claim("c", "other")


def test_a_session_forgets_its_own_tabs_first() -> None:
    tabs = Tabs(most=100, each=3)
    assert tabs.claim("theirs", "other")
    for number in range(50):
        assert tabs.claim(f"mine-{number}", "me")
    assert not tabs.claim("theirs", "me")
    assert not tabs.claim("mine-47", "other")
    assert tabs.claim("mine-46", "other")


def test_so_much_may_be_uploaded_in_so_long() -> None:
    clock = FakeClock()
    budgets = Budgets(most=100, seconds=60, clock=clock)
    assert budgets.spend("me", 60)
    assert not budgets.spend("me", 41)
    assert budgets.spend("me", 40)
    assert budgets.spend("other", 100)
    clock.advance(61)
    assert budgets.spend("me", 100)


async def test_an_upload_is_measured_before_it_is_read() -> None:
    async with as_() as http:
        for size, status, key in ((900, 200, ""), (MOST + 65_537, 413, "too_large")):
            answer = await http.post(f"{API}/upload", content=b"x" * size)
            assert answer.status_code == status
            assert not key or told(answer, key)

        async def unmeasured() -> AsyncIterator[bytes]:
            yield b"x"

        assert (await http.post(f"{API}/upload", content=unmeasured())).status_code == 400


async def test_whoever_uploads_all_the_time_waits() -> None:
    async with as_() as http:
        statuses = [
            (await http.post(f"{API}/upload", content=b"x" * 66_000)).status_code for _ in range(11)
        ]
    assert statuses == [200] * 10 + [503]


async def test_whoever_is_not_signed_in_says_little() -> None:
    async with as_(None) as http:
        answer = await http.post("/studio/sign-in", content=b"x" * 20_000)
    assert answer.status_code == 413


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_page_that_there_is_not_says_so(language: str) -> None:
    t = Texts(language)
    async with as_() as http:
        answer = await http.get(f"/studio/{language}/nope", headers={"accept": "text/html,*/*"})
    assert answer.status_code == 404
    assert f'<html lang="{language}">' in answer.text
    assert t("errors.missing") in answer.text
    assert f'href="/studio/{language}/"' in answer.text


@pytest.mark.parametrize(
    ("status", "says", "key"),
    [(400, 400, "refused"), (403, 400, "refused"), (404, 404, "missing"), (405, 405, "method"),
     (413, 413, "too_large"), (422, 400, "refused"), (500, 500, "unexpected"), (503, 503, "busy")],
)  # fmt: skip
async def test_whatever_refuses_does_so_in_our_words(status: int, says: int, key: str) -> None:
    async with as_() as http:
        answer = await http.get(f"/studio/says/{status}")
    assert answer.status_code == says
    assert told(answer, key)
    assert "secret" not in answer.text


async def test_a_fault_of_ours_tells_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    async with as_() as http:
        answer = await http.get("/studio/fails")
    assert answer.status_code == 500
    assert told(answer, "unexpected")
    assert "secret" not in answer.text
    assert "a request failed" in caplog.text


async def test_probes_hear_their_one_word() -> None:
    async with as_(None) as http:
        assert (await http.get("/readyz")).text == "the gateway is away"
        assert (await http.get("/healthz")).status_code == 200
        assert told(await http.post("/healthz"), "method")
