"""`/v1/melodies` and its neighbours before a scripted service, over real sockets."""

import asyncio
import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orfeon import AsyncOrfeon, OrfeonError
from orfeon.api.melody.v1 import melody_pb2 as pb
from orfeon.cli.app import app
from services.runtime.errors import Internal, InvalidAudio, InvalidRequest, Overloaded
from tests.fakes.gateway import Stage, stage

__all__ = ["stage"]

MELODIES = "/v1/melodies"
SOUND = "Hello, wörld".encode()
WAV = ("tune.wav", b"RIFF" + bytes(700_000), "audio/wav")


async def test_a_melody_comes_byte_for_byte_and_says_how_to_get_it_again(stage: Stage) -> None:
    wish = {
        "model": "m", "genre": "rock", "mood": "sad", "prompt": "guitars", "duration": 12.5,
        "tempo": 96, "key": "A minor", "seed": 7, "temperature": 1, "top_k": 3, "top_p": 0.5,
        "cfg": 4, "sections": [{"kind": "intro"}, {"kind": "verse", "lines": [8, 7]}],
        "response_format": "ogg", "priority": 2, "unknown": 1,
    }  # fmt: skip
    async with stage.http as client:
        response = await client.post(MELODIES, json=wish)
    assert (response.status_code, response.content) == (200, SOUND)
    assert response.headers["content-type"] == "audio/ogg"
    told = {name: response.headers[f"x-melody-{name}"] for name in ("seed", "tempo", "key")}
    assert told == {"seed": "7", "tempo": "96", "key": "A minor"}
    assert response.headers["x-melody-duration"] == "12.5"
    assert response.headers["x-request-priority"] == "2"
    (sent,) = stage.script.requests
    assert sent == pb.ComposeConfig(
        model="m", task=pb.TASK_MUSIC, genre="rock", mood="sad", prompt="guitars",
        duration_seconds=12.5, tempo=96, key="A minor", seed=7, temperature=1, top_k=3, top_p=0.5,
        guidance=4, format=pb.AUDIO_FORMAT_OGG,
        sections=[
            pb.Section(kind="intro"),
            pb.Section(kind="verse", lines=[pb.Line(syllables=8), pb.Line(syllables=7)]),
        ],
    )  # fmt: skip


async def test_what_is_left_out_is_not_sent(stage: Stage) -> None:
    async with stage.http as client:
        response = await client.post(MELODIES, json={"model": None, "seed": None, "sections": []})
    assert response.headers["content-type"] == "audio/mpeg"
    assert response.headers["x-melody-seed"] == "11"
    assert stage.script.requests == [
        pb.ComposeConfig(task=pb.TASK_MUSIC, format=pb.AUDIO_FORMAT_MP3)
    ]


async def test_a_recording_to_follow_goes_with_the_fields_of_a_form(stage: Stage) -> None:
    form = {
        "genre": "7", "cfg": "4", "duration": "12.5", "seed": "7", "priority": "2",
        "sections": '[{"kind": "verse", "lines": [8]}]', "response_format": "flac",
    }  # fmt: skip
    async with stage.http as client:
        response = await client.post(MELODIES, data=form, files={"file": WAV})
    assert (response.status_code, response.content) == (200, SOUND)
    assert b"".join(stage.script.audio) == WAV[1]
    (sent,) = stage.script.requests
    assert (sent.genre, sent.guidance, sent.duration_seconds, sent.seed) == ("7", 4, 12.5, 7)
    assert sent.sections[0].lines[0].syllables == 8
    assert stage.script.contexts[0].priority == 2


@pytest.mark.parametrize(
    ("file_format", "content", "media_type"),
    [
        ("midi", b"MThd", "audio/midi"),
        ("musicxml", b"<score-partwise/>", "application/vnd.recordare.musicxml+xml"),
    ],
)
async def test_notes_come_without_sound(
    stage: Stage, file_format: str, content: bytes, media_type: str
) -> None:
    async with stage.http as client:
        response = await client.post(MELODIES, json={"response_format": file_format})
    assert (response.content, response.headers["content-type"]) == (content, media_type)
    assert response.headers["x-melody-seed"] == "11"
    assert stage.script.requests[0].silent


async def test_an_archive_has_everything_and_is_the_same_each_time(stage: Stage) -> None:
    async with stage.http as client:
        first, second = [
            await client.post(MELODIES, json={"response_format": "zip"}) for _ in range(2)
        ]
    assert first.headers["content-type"] == "application/zip"
    assert first.content == second.content
    with zipfile.ZipFile(io.BytesIO(first.content)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    score = json.loads(files.pop("score.json"))
    assert files == {
        "melody.flac": SOUND,
        "melody.mid": b"MThd",
        "melody.musicxml": b"<score-partwise/>",
        "stem-lead.flac": b"lead",
    }
    assert score == {
        "genre": None, "seed": 11, "duration": 30, "tempo": 120, "key": "C major",
        "lines": [{"section": 0, "notes": [{"pitch": 60, "start": 0, "end": 0.5}]}],
    }  # fmt: skip


async def events(stage: Stage, **wish: Any) -> list[Any]:
    async with stage.http as client:
        response = await client.post(MELODIES, json={**wish, "stream_format": "sse"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    *data, end = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [*map(json.loads, data), json.loads(end) if end.startswith("{") else end]


async def test_a_melody_as_events(stage: Stage) -> None:
    created, *parts, done, end = await events(stage, genre="rock", seed=7)
    assert created.pop("id").startswith("melody-")
    assert created.pop("created") > 1_700_000_000
    assert created == {
        "type": "melody.created", "model": "melody-fake", "genre": "rock", "seed": 7,
        "duration": 30, "tempo": 120, "key": "C major",
    }  # fmt: skip
    assert [one["type"] for one in parts] == ["melody.progress", "melody.audio.delta"] * 3
    assert parts[0]["progress"] == 0.5
    assert b"".join(base64.b64decode(one["audio"]) for one in parts[1::2]) == SOUND
    assert done == {"type": "melody.done", "usage": {"type": "duration", "seconds": 30}}
    assert end == "[DONE]"


async def test_everything_as_events(stage: Stage) -> None:
    files: dict[str, bytes] = {}
    for one in (await events(stage, response_format="zip"))[:-1]:
        if one["type"] == "melody.artifact":
            files[one["name"]] = files.get(one["name"], b"") + base64.b64decode(one["data"])
    assert json.loads(files.pop("score.json"))["lines"]
    assert files == {
        "melody.mid": b"MThd",
        "melody.musicxml": b"<score-partwise/>",
        "stem-lead.flac": b"lead",
    }


@pytest.mark.parametrize("wish", [{}, {"stream_format": "sse"}, {"response_format": "zip"}])
@pytest.mark.parametrize(
    ("error", "status", "param"),
    [
        (InvalidRequest("There is no genre 'x'; use one of pop.", param="genre"), 400, "genre"),
        (InvalidAudio("The recording is silent.", param="file"), 400, "file"),
        (InvalidRequest("This model writes no notes.", param="artifacts"), 400, "response_format"),
        (Overloaded("Full.", retry_after=2), 429, None),
    ],
)
async def test_what_the_service_refuses_is_told(
    stage: Stage, wish: dict[str, str], error: Exception, status: int, param: str | None
) -> None:
    stage.script.error = error
    async with stage.http as client:
        response = await client.post(MELODIES, json=wish)
    assert response.status_code == status
    assert response.json()["error"]["message"] == str(error)
    assert response.json()["error"]["param"] == param


async def test_an_archive_that_fails_halfway_is_an_error_and_no_archive(stage: Stage) -> None:
    stage.script.error, stage.script.error_after = Internal("secret"), 2
    async with stage.http as client:
        response = await client.post(MELODIES, json={"response_format": "zip"})
    assert response.status_code == 500


async def test_a_service_that_stops_in_the_middle_is_a_failure(stage: Stage) -> None:
    stage.script.finishes = False
    *_, failed = await events(stage)
    assert "too soon" in failed["error"]["message"]


async def test_a_client_that_leaves_ends_the_melody(stage: Stage) -> None:
    stage.script.hold = True
    async with (
        stage.http as client,
        client.stream("POST", MELODIES, json={}) as response,
    ):
        assert await anext(response.aiter_raw()) == b"Hello"
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)


async def test_the_genres_are_listed(stage: Stage) -> None:
    async with stage.http as client:
        response = await client.get("/v1/melodies/genres", params={"model": "m"})
    rock = {"id": "rock", "object": "genre", "slowest": 100, "fastest": 150}
    assert response.json() == {"object": "list", "data": [rock]}


async def test_a_sound_in_the_shape_of_elevenlabs_is_music_where_no_model_makes_sounds(
    stage: Stage,
) -> None:
    body = {"text": "rain", "duration_seconds": 5, "prompt_influence": 0.3, "model_id": None}
    async with stage.http as client:
        response = await client.post("/v1/sound-generation", json=body)
        unknown = await client.post("/v1/sound-generation", json={**body, "model_id": "nobody"})
    assert (response.content, response.headers["content-type"]) == (SOUND, "audio/mpeg")
    (sent,) = stage.script.requests
    assert (sent.task, sent.prompt, sent.duration_seconds) == (pb.TASK_MUSIC, "rain", 5)
    assert sent.guidance == pytest.approx(3)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_model_that_makes_sounds_is_asked_for_one(stage: Stage) -> None:
    async with stage.http as client:
        body = {"text": "rain", "model": "noises"}
        assert (await client.post("/v1/sound-generation", json=body)).status_code == 200
    (sent,) = stage.script.requests
    assert (sent.model, sent.task) == ("noises", pb.TASK_SOUND)


async def test_a_key_needs_the_scope(stage: Stage) -> None:
    _, stage.secret = stage.keys.create("talker", scopes=["chat"])
    async with stage.http as client:
        assert (await client.post(MELODIES, json={})).status_code == 403
        assert (await client.get("/v1/melodies/genres")).status_code == 403
        body = {"text": "rain"}
        assert (await client.post("/v1/sound-generation", json=body)).status_code == 403


async def test_the_client_of_ours_and_the_command_do_all_of_it(
    stage: Stage, tmp_path: Path
) -> None:
    async with AsyncOrfeon(stage.url, stage.secret) as client:
        tune = await client.melody(b"RIFF", genre="rock", sections=[{"kind": "verse"}], seed=7)
        assert (tune.content, tune.seed, tune.duration, tune.tempo) == (SOUND, 7, 30, 120)
        assert [genre.id for genre in await client.melody_genres()] == ["rock"]
        with pytest.raises(OrfeonError, match="duration"):
            await client.melody(duration=181)
    for name, content in (("a.mp3", SOUND), ("b.mid", b"MThd"), ("c.zip", b"PK")):
        options = ("--base-url", stage.url, "--api-key", stage.secret, "--home", str(tmp_path))
        done = await asyncio.to_thread(
            CliRunner().invoke, app, ["melody", "-o", str(tmp_path / name), *options]
        )
        assert done.exit_code == 0, done.stderr
        assert done.stderr == "seed 11\n"
        assert (tmp_path / name).read_bytes().startswith(content)
