"""What the pages of models and of the queue ask the web app for."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from services.studio import boards
from services.studio.texts import LANGUAGES, Texts
from tests.fakes import jobs
from tests.fakes.studiofront import KEY, front

MODEL = {
    "id": "whisper-base", "object": "model", "created": 0, "owned_by": "x",
    "capabilities": {"capability": "speech", "state": "loaded"},
}  # fmt: skip
ENTRY = {
    "request_id": "req_1", "model": "smollm2", "capability": "chat", "priority": 1,
    "state": "queued", "seconds": 3.4, "position": 2, "estimated_wait_seconds": 7.6,
}  # fmt: skip


def refused(status: int, code: str | None = None, message: str = "No.") -> httpx.Response:
    error = {"message": message, "type": "x", "param": None, "code": code}
    return httpx.Response(status, json={"error": error})


class FakeGateway:
    """Models, a queue and jobs; `admin` keys may load. Notes what it was asked."""

    def __init__(self, admin: bool = True) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._admin = admin

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        path = request.url.path.removeprefix("/v1/")
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, path, body))
        if request.method == "POST":
            if not self._admin:
                return refused(403, "missing_scope")
            known = path.startswith("models/whisper-base/")
            return httpx.Response(200, json=MODEL) if known else refused(404, "model_not_found")
        answers: dict[str, Any] = {
            "models": [MODEL], "queue": [ENTRY], "jobs": [jobs.job(song=jobs.song(title="Home"))],
        }  # fmt: skip
        return httpx.Response(200, json={"data": answers[path]})


async def test_the_models_are_shown_with_buttons_to_admins_alone() -> None:
    for admin in (True, False):
        async with front(FakeGateway(admin), boards.routes) as studio:
            answer = await studio.http.get("/studio/boards/models?lang=en")
        assert answer.status_code == 200
        assert f'data-manages="{str(admin).lower()}"' in answer.text
        assert ("<button" in answer.text) is admin


async def test_whether_one_may_load_is_asked_once() -> None:
    gateway = FakeGateway()
    async with front(gateway, boards.routes) as studio:
        await studio.http.get("/studio/boards/models?lang=en&manages=true")
        assert gateway.asked == [("GET", "models", None)]
        assert (
            "<button"
            not in (await studio.http.get("/studio/boards/models?lang=en&manages=false")).text
        )


@pytest.mark.parametrize(
    ("action", "path", "body"),
    [
        ("load", "load", {}),
        ("unload", "unload", None),
        ("pin", "load", {"pinned": True}),
        ("unpin", "load", {"pinned": False}),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_button_does_what_it_says(
    language: str, action: str, path: str, body: dict[str, bool] | None
) -> None:
    gateway = FakeGateway()
    async with front(gateway, boards.routes) as studio:
        answer = await studio.http.post(
            f"/studio/boards/models/whisper-base/{action}?lang={language}"
        )
    assert answer.text == Texts(language)(f"models.done_{action}", model="whisper-base")
    [(method, asked, sent)] = gateway.asked
    assert (method, asked) == ("POST", f"models/whisper-base/{path}")
    assert (sent or {}) == (body or {})


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_key_that_may_not_is_told_so_in_a_sentence(language: str) -> None:
    async with front(FakeGateway(admin=False), boards.routes) as studio:
        answer = await studio.http.post(f"/studio/boards/models/whisper-base/load?lang={language}")
    assert answer.status_code == 403
    said = answer.json()["error"]["message"]
    assert said == ("No." if language == "en" else Texts("es")("errors.code_missing_scope"))


@pytest.mark.parametrize("path", ["whisper-base/explode", "nope/load", "%3Cscript%3E/load"])
async def test_what_there_is_not_is_refused(path: str) -> None:
    async with front(FakeGateway(), boards.routes) as studio:
        answer = await studio.http.post(f"/studio/boards/models/{path}?lang=es")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]
    assert "<script" not in answer.text


async def test_the_queue_is_shown_with_requests_and_songs() -> None:
    async with front(FakeGateway(), boards.routes) as studio:
        answer = await studio.http.get("/studio/boards/queue?lang=es")
    assert "smollm2" in answer.text
    assert "Home" in answer.text


@pytest.mark.parametrize("status", [403, 404])
async def test_a_key_that_may_make_no_songs_sees_its_requests(status: int) -> None:
    def gateway(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("queue"):
            return httpx.Response(200, json={"data": [ENTRY]})
        return refused(status)

    async with front(gateway, boards.routes) as studio:
        answer = await studio.http.get("/studio/boards/queue?lang=en")
    assert "smollm2" in answer.text
    assert Texts("en")("queue.no_jobs") in answer.text


@pytest.mark.parametrize(
    ("gateway", "status", "key"),
    [
        (lambda _: refused(401, "invalid_api_key"), 401, "signed_out"),
        (lambda _: refused(500, "internal_error", ""), 500, "code_internal_error"),
        (lambda _: httpx.Response(502, text="<html>"), 502, "status_502"),
    ],
)
@pytest.mark.parametrize("board", ["models", "queue"])
async def test_a_gateway_that_fails_is_told_in_a_sentence(
    board: str, gateway: Callable[[httpx.Request], httpx.Response], status: int, key: str
) -> None:
    async with front(gateway, boards.routes) as studio:
        answer = await studio.http.get(f"/studio/boards/{board}?lang=es")
        assert answer.status_code == status
        assert answer.json()["error"]["message"] == Texts("es")(f"errors.{key}")
        # A key that is good no longer ends the session with it.
        session = studio.sessions.get(studio.session)
        assert session is not None
        assert session.dismissed is (status == 401)


async def test_nobody_who_is_signed_out_sees_anything() -> None:
    async with front(FakeGateway(), boards.routes) as studio:
        studio.sign_out()
        for path in ("models", "queue"):
            assert (await studio.http.get(f"/studio/boards/{path}")).status_code == 401
        assert (await studio.http.post("/studio/boards/models/a/load")).status_code == 401
