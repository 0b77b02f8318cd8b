"""`/v1/lyrics` before a scripted service, over real sockets."""

import json
from typing import Any

import pytest

from orfeon import AsyncOrfeon, OrfeonError
from orfeon.api.lyrics.v1 import lyrics_pb2 as pb
from services.runtime.errors import ContextLengthExceeded, Internal, ModelNotFound, Overloaded
from tests.fakes.gateway import Stage, stage

__all__ = ["stage"]

LINES = ["One", "Two", "<script>alert(1)</script>"]


async def test_a_whole_song(stage: Stage) -> None:
    stage.script.pieces = LINES
    wish = {
        "genre": "rock", "title": " Home ", "style": "Cash", "theme": "rain", "mood": "sad",
        "language": "en", "first_line": " One", "sections": ["verse", "pre-chorus"], "lines": 2,
        "seed": -5, "temperature": 0, "top_p": 0.5, "top_k": 3, "priority": 2, "unknown": 1,
    }  # fmt: skip
    async with stage.http as client:
        response = await client.post("/v1/lyrics", json=wish)
    song = response.json()
    assert response.status_code == 200
    assert response.headers["x-request-priority"] == "2"
    assert song.pop("id").startswith("lyrics-")
    assert song.pop("created") > 1_700_000_000
    assert song == {
        "object": "lyrics",
        "genre": "rock",
        "model": "fake-chat",
        "language": "en",
        "title": "Home",
        "seed": -5,
        "sections": [
            {"kind": "verse", "lines": [{"text": text, "syllables": 2} for text in LINES]}
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
    (sent,) = stage.script.requests
    assert sent == pb.WriteLyricsRequest(
        genre="rock", title=" Home ", style="Cash", theme="rain", mood="sad", language="en",
        first_line=" One", sections=[pb.SECTION_KIND_VERSE, pb.SECTION_KIND_PRE_CHORUS], lines=2,
        seed=-5, temperature=0, top_p=0.5, top_k=3,
    )  # fmt: skip


async def test_what_is_left_out_is_not_sent(stage: Stage) -> None:
    async with stage.http as client:
        assert (await client.post("/v1/lyrics", json={})).status_code == 200
    assert stage.script.requests == [pb.WriteLyricsRequest()]


async def events(stage: Stage, **wish: Any) -> list[Any]:
    async with stage.http as client:
        response = await client.post("/v1/lyrics", json={**wish, "stream": True})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    *data, end = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [*map(json.loads, data), json.loads(end) if end.startswith("{") else end]


async def test_a_song_line_by_line(stage: Stage) -> None:
    stage.script.pieces = LINES
    created, *lines, done, end = await events(stage, title="Home", seed=7, genre="pop")
    assert created["type"] == "lyrics.created"
    assert (created["seed"], created["genre"], created["title"]) == (7, "pop", "Home")
    assert lines == [
        {"type": "lyrics.line", "section": 0, "kind": "verse", "text": text, "syllables": 2}
        for text in LINES
    ]
    assert done == {
        "type": "lyrics.done",
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
    assert end == "[DONE]"


async def test_tokens_count_towards_the_rate(stage: Stage) -> None:
    await events(stage)
    async with stage.http as client:
        response = await client.post("/v1/lyrics", json={})
    assert int(response.headers["x-ratelimit-remaining-tokens"]) <= 1_000_000 - 10


async def test_a_failure_in_the_middle_is_the_last_event(stage: Stage) -> None:
    stage.script.error, stage.script.error_after = Internal("secret"), 2
    *_, line, failed = await events(stage)
    assert line["type"] == "lyrics.line"
    assert failed["error"]["type"] == "server_error"


async def test_a_service_that_stops_in_the_middle_is_a_failure(stage: Stage) -> None:
    stage.script.finishes = False
    *_, failed = await events(stage)
    assert "too soon" in failed["error"]["message"]
    async with stage.http as client:
        assert (await client.post("/v1/lyrics", json={})).status_code == 500


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "param"),
    [
        (ModelNotFound("There is no genre 'x' here; there are: pop.", param="genre"), 404, "genre"),
        (ContextLengthExceeded("Too long.", param="lines"), 400, "lines"),
        (Overloaded("Full.", retry_after=2), 429, None),
    ],
)
async def test_what_the_service_refuses_is_told(
    stage: Stage, error: Exception, status: int, param: str | None, stream: bool
) -> None:
    stage.script.error = error
    async with stage.http as client:
        response = await client.post("/v1/lyrics", json={"genre": "x", "stream": stream})
    assert response.status_code == status
    assert response.json()["error"]["message"] == str(error)
    assert response.json()["error"]["param"] == param


async def test_a_key_needs_the_scope(stage: Stage) -> None:
    _, stage.secret = stage.keys.create("talker", scopes=["chat"])
    async with stage.http as client:
        assert (await client.post("/v1/lyrics", json={})).status_code == 403


async def test_a_client_that_leaves_ends_the_song(stage: Stage) -> None:
    stage.script.hold = True
    async with (
        stage.http as client,
        client.stream("POST", "/v1/lyrics", json={"stream": True}) as response,
    ):
        async for _ in response.aiter_lines():
            break
    await stage.script.cancelled.wait()


async def test_the_client_of_ours_writes_songs(stage: Stage) -> None:
    async with AsyncOrfeon(stage.url, stage.secret) as client:
        song = await client.write_lyrics(genre="rock", sections=["verse"], seed=7)
        assert song.text == "[Verse]\nHello\n, \nwörld"
        assert song.sections[0].lines[0].syllables == 2
        with pytest.raises(OrfeonError, match="sections"):
            await client.write_lyrics(sections=["solo"])
