"""What the song page asks the web app for by itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from services.studio import songs
from tests.fakes import jobs
from tests.fakes.studiofront import front

ERROR = {"message": "Say less.", "type": "invalid_request_error", "param": None, "code": None}


def stream(*states: dict[str, Any], end: bytes = b"data: [DONE]\n\n") -> httpx.Response:
    data = b"".join(b"data: " + json.dumps(state).encode() + b"\n\n" for state in states)
    return httpx.Response(200, stream=httpx.ByteStream(data + end))


def gateway(*states: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    """Tells these states of a job, and has its files."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/jobs")
        if path == "/song_1/events":
            return stream(*states)
        if path.startswith("/song_1/artifacts/"):
            return httpx.Response(200, content=jobs.FILES[path.rpartition("/")[2]][1])
        return httpx.Response(404, json={"error": {**ERROR, "code": "not_found"}})

    return answer


async def told(
    answer: Callable[[httpx.Request], httpx.Response], job: str = "song_1", language: str = "en"
) -> list[dict[str, Any]]:
    async with front(answer, songs.routes) as studio:
        response = await studio.http.get(f"/studio/songs/{job}?lang={language}")
    assert response.headers["content-type"].startswith("text/event-stream")
    retry, *events = response.text.strip().split("\n\n")
    assert retry == "retry: 3000"
    return [json.loads(event.removeprefix("data: ")) for event in events]


async def test_a_song_is_told_at_each_change_until_it_plays() -> None:
    waiting = jobs.job("queued", queue_position=2, progress=0)
    running = jobs.job(files=("lyrics.txt",))
    first, second, last = await told(gateway(waiting, running, jobs.done()))
    assert (first["says"], first["ended"]) == ("The song waits in the queue.", False)
    assert "Place 2" in first["html"]
    assert second["says"] == "The band composes and plays."
    assert "[Verse]\nTwo cups\n&lt;b&gt;One chair" in second["html"]
    assert (last["says"], last["ended"]) == ("Your song is ready.", True)
    assert 'data-at="4.60">Two cups<' in last["html"]
    assert 'data-at="9.20">&lt;b&gt;One chair&lt;/b&gt;<' in last["html"]
    assert "/studio/jobs/song_1/artifacts/song.mp3" in last["html"]
    assert not any(event["notice"] for event in (first, second, last))


async def test_a_song_is_told_in_the_language_of_the_page() -> None:
    (event,) = await told(gateway(jobs.job("cancelled")), language="es")
    assert event["says"] == "Esta canción se canceló y sus archivos se borraron."
    assert event["ended"]


async def test_a_song_that_is_gone_is_told_so() -> None:
    (event,) = await told(gateway(), job="song_2")
    assert (event["notice"], event["ended"]) == (
        "This song is no longer there. Songs are kept for a day after they were made.",
        True,
    )


async def test_what_passes_by_itself_is_tried_again_by_the_browser() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("away")

    (event,) = await told(away)
    assert "cannot be reached" in event["notice"]
    assert not event["ended"]


@pytest.mark.parametrize("status", [401, 403])
async def test_what_does_not_pass_ends_it(status: int) -> None:
    (event,) = await told(lambda request: httpx.Response(status, json={"error": ERROR}))
    assert event["notice"]
    assert event["ended"]


async def test_notes_that_nobody_can_read_do_not_keep_a_song_from_being_heard() -> None:
    broken = jobs.done()
    broken["artifacts"].append({"name": "melody.mid", "media_type": "audio/midi", "bytes": 1})

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("melody.mid"):
            return httpx.Response(200, content=b"x")
        return gateway(broken)(request)

    (event,) = await told(answer)
    assert "<audio" in event["html"]
    assert "piano-roll" not in event["html"]


async def test_songs_are_listed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.query == b"limit=30"
        return httpx.Response(200, json={"data": [jobs.done(), jobs.job(id="song_2")]})

    async with front(answer, songs.routes) as studio:
        listed = await studio.http.get("/studio/songs?lang=es")
    assert listed.status_code == 200
    assert listed.text.count("<li>") == 2
    assert "lista" in listed.text


async def test_a_song_is_cancelled_and_made_again() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.path, request.read()))
        return httpx.Response(202, json=jobs.job(id="song_2"))

    async with front(answer, songs.routes) as studio:
        cancelled = await studio.http.delete("/studio/songs/song_1")
        again = await studio.http.post("/studio/songs/song_1/again")
    assert cancelled.status_code == 204
    assert (again.status_code, again.json()) == (202, {"job": "song_2"})
    assert seen == [
        ("DELETE", "/v1/jobs/song_1", b""),
        ("POST", "/v1/jobs/song_1/again", b'{"step":"melody"}'),
    ]


ASKED = [("GET", ""), ("DELETE", "/song_1"), ("POST", "/song_1/again")]


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize(
    ("status", "sentence"), [(400, "Say less."), (404, "This song is no longer there.")]
)
async def test_what_is_refused_is_told_in_a_sentence(
    method: str, path: str, status: int, sentence: str
) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"error": ERROR})

    async with front(refuse, songs.routes) as studio:
        answer = await studio.http.request(method, f"/studio/songs{path}")
    assert answer.status_code == status
    assert sentence in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), [*ASKED, ("GET", "/song_1")])
async def test_only_who_is_signed_in_is_answered(method: str, path: str) -> None:
    async with front(gateway(), songs.routes) as studio:
        studio.sign_out()
        assert (await studio.http.request(method, f"/studio/songs{path}")).status_code == 401


@pytest.mark.parametrize(("method", "path"), ASKED[1:])
async def test_other_sites_can_change_nothing(method: str, path: str) -> None:
    async with front(gateway(), songs.routes) as studio:
        headers = {"origin": "https://evil.test"}
        answer = await studio.http.request(method, f"/studio/songs{path}", headers=headers)
    assert answer.status_code == 403


async def test_a_browser_that_leaves_ends_the_watch() -> None:
    closed = False

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"data: " + json.dumps(jobs.job()).encode() + b"\n\n"
            yield await never()

        async def aclose(self) -> None:
            nonlocal closed
            closed = True

    async with front(lambda _: httpx.Response(200, stream=Endless()), songs.routes) as studio:
        await studio.messages("/studio/songs/song_1", leaves=True)
    assert closed


async def never() -> bytes:
    await asyncio.Event().wait()
    return b""
