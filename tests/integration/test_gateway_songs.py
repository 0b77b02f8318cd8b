"""`/v1/songs` and `/v1/jobs` before a real song service, whose own services are scripted."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.keystore import KeyStore
from tests.fakes import songs
from tests.fakes.gateway import error_of, eventually, running, settings_for
from tests.fakes.songs import wav
from tests.fakes.studio import Script

ENDED = {"completed", "failed", "cancelled"}


@dataclass
class Front:
    """A gateway before a song service."""

    url: str
    keys: KeyStore
    secret: str
    songs: songs.Stage

    @property
    def script(self) -> Script:
        return self.songs.script

    def http(self, secret: str = "") -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {secret or self.secret}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)


@asynccontextmanager
async def fronted(home: Path) -> AsyncIterator[Front]:
    settings = settings_for(home, retry_seconds=20)
    settings = settings.model_copy(update={"upstreams": {"song": f"unix:{home}/song.sock"}})
    keys = KeyStore(settings.database_url, cache_seconds=0.2)
    _, secret = keys.create("alice")
    async with songs.staged(home) as stage, running(settings, keys) as url:
        yield Front(url, keys, secret, stage)
    keys.close()


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with fronted(tmp_path) as front:
        yield front


async def ended(http: httpx.AsyncClient, job: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await http.get(f"/v1/jobs/{job}")).json()
            if found["status"] in ENDED:
                return found
            await asyncio.sleep(0.1)


async def test_a_song_from_the_request_to_the_file(front: Front) -> None:
    async with front.http() as http:
        wish = {"genre": "rock", "title": "Home", "instrumental": True, "seed": 7, "duration": 12}
        accepted = await http.post("/v1/songs", json=wish)
        assert accepted.status_code == 202
        job = accepted.json()
        assert accepted.headers["location"] == f"/v1/jobs/{job['id']}"
        assert accepted.headers["x-request-priority"] == "2"
        assert (job["object"], job["priority"]) == ("job", 2)
        # It may have been taken up at once.
        assert (job["status"], job["queue_position"]) in (("queued", 1), ("in_progress", None))
        assert job["estimated_seconds"] > 0
        assert abs(job["created_at"] - time.time()) < 60
        done = await ended(http, job["id"])
        assert done["status"] == "completed"
        assert (done["progress"], done["error"], done["queue_position"]) == (1.0, None, None)
        assert done["song"] == {
            "genre": "rock", "title": "Home", "artist": None, "mood": None,
            "mood_probability": None, "seed": 7, "duration": 12.0, "tempo": 96.0, "key": "A minor",
        }  # fmt: skip
        assert done["expires_at"] == done["ended_at"] + 24 * 3600
        assert (await http.get("/v1/jobs")).json()["data"] == [done]
        for artifact in done["artifacts"]:
            file = await http.get(artifact["url"])
            assert file.status_code == 200
            assert file.headers["content-type"] == artifact["media_type"]
            assert file.headers["content-length"] == str(artifact["bytes"])
            assert len(file.content) == artifact["bytes"]
            name = artifact["name"]
            assert file.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert done["artifacts"][0]["name"] == "song.mp3"


async def test_a_player_gets_the_part_of_a_file_that_it_goes_to(front: Front) -> None:
    async with front.http() as http:
        wish = {"instrumental": True, "duration": 12}
        job = (await http.post("/v1/songs", json=wish)).json()["id"]
        await ended(http, job)
        url = f"/v1/jobs/{job}/artifacts/song.mp3"
        whole = await http.get(url)
        assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
        length = len(whole.content)
        for asked, first, last in (
            ("bytes=0-", 0, length - 1),
            ("bytes=100-199", 100, 199),
            (f"bytes={length - 10}-{length + 10}", length - 10, length - 1),
            ("bytes=-10", length - 10, length - 1),
        ):
            part = await http.get(url, headers={"range": asked})
            assert part.status_code == 206
            assert part.headers["content-range"] == f"bytes {first}-{last}/{length}"
            assert part.headers["content-length"] == str(last - first + 1)
            assert part.content == whole.content[first : last + 1]
        for headers in (
            {"range": f"bytes={length}-"},
            {"range": "bytes=0-1,3-4"},
            {"range": "bytes=0-9", "if-range": '"of another version"'},
        ):
            answer = await http.get(url, headers=headers)
            assert (answer.status_code, len(answer.content)) == (200, length)


async def test_a_song_from_a_voice_in_a_form(front: Front) -> None:
    async with front.http() as http:
        fields = {
            "genre": "pop",
            "instrumental": "true",
            "duration": "11.5",
            "lyrics": json.dumps([{"kind": "verse", "lines": ["Hello darling"]}]),
        }
        files = {"voice": ("me.wav", wav(), "audio/wav")}
        accepted = await http.post("/v1/songs", data=fields, files=files)
        assert accepted.status_code == 202
        done = await ended(http, accepted.json()["id"])
        assert done["status"] == "completed"
        assert (done["song"]["mood"], done["song"]["mood_probability"]) == ("sad", 0.75)
        assert done["song"]["duration"] == 11.5
    assert front.script.voices == [wav()]


async def test_events_tell_each_change_and_end_with_the_job(front: Front) -> None:
    async with front.http() as http:
        job = (await http.post("/v1/songs", json={"instrumental": True})).json()["id"]
        for _ in range(2):  # Whoever comes back sees it as it is then.
            response = await http.get(f"/v1/jobs/{job}/events")
            assert response.headers["content-type"].startswith("text/event-stream")
            *events, last = [
                line.removeprefix("data: ") for line in response.text.split("\n\n") if line
            ]
            assert last == "[DONE]"
            states = [json.loads(event) for event in events]
            assert states[-1]["status"] == "completed"
            progress = [state["progress"] for state in states]
            assert progress == sorted(progress)
        assert len(states) == 1


async def test_events_go_on_when_the_service_comes_back(front: Front) -> None:
    front.script.holding = {"melody"}
    async with front.http() as http:
        job = (await http.post("/v1/songs", json={"instrumental": True})).json()["id"]
        await front.script.begun["melody"].wait()
        states: list[dict[str, Any]] = []
        async with http.stream("GET", f"/v1/jobs/{job}/events") as response:
            lines = response.aiter_lines()
            states.append(json.loads((await anext(lines)).removeprefix("data: ")))
            front.script.holding = set()
            await songs.restart(front.songs)
            async for line in lines:
                if line.startswith("data: {"):
                    states.append(json.loads(line.removeprefix("data: ")))
        assert states[-1]["status"] == "completed"


async def test_a_job_is_cancelled(front: Front) -> None:
    front.script.holding = {"melody"}
    async with front.http() as http:
        job = (await http.post("/v1/songs", json={"instrumental": True})).json()["id"]
        await front.script.begun["melody"].wait()
        began = time.monotonic()
        response = await http.delete(f"/v1/jobs/{job}")
        # What it works on would never end by itself.
        assert time.monotonic() - began < 20
        assert response.json()["status"] == "cancelled"
        assert (await ended(http, job))["status"] == "cancelled"

        async def idle() -> bool:
            return front.script.at_work["melody"] == 0

        await eventually(idle)


async def test_a_failure_is_told_in_a_sentence(front: Front) -> None:
    front.script.scores = False
    async with front.http() as http:
        job = (await http.post("/v1/songs", json={"instrumental": True})).json()["id"]
        done = await ended(http, job)
        assert done["status"] == "failed"
        assert done["error"]["message"].endswith(".")
        assert done["artifacts"] == []


async def test_a_step_again(front: Front) -> None:
    async with front.http() as http:
        job = (await http.post("/v1/songs", json={"instrumental": True})).json()["id"]
        await ended(http, job)
        body = {"step": "melody", "seed": 5}
        accepted = await http.post(f"/v1/jobs/{job}/again", json=body)
        assert accepted.status_code == 202
        assert accepted.json()["repeated_from"] == job
        assert (await ended(http, accepted.json()["id"]))["status"] == "completed"
        refused = await http.post(f"/v1/jobs/{job}/again", json={"step": "vocals"})
        assert error_of(refused)["param"] == "step"
    assert len(front.script.requests["lyrics"]) == 1


async def test_an_idempotency_key_makes_one_job_of_two_requests(front: Front) -> None:
    async with front.http() as http:
        headers = {"idempotency-key": "once"}
        wish = {"instrumental": True}
        answers = await asyncio.gather(
            *(http.post("/v1/songs", json=wish, headers=headers) for _ in range(3))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        other = await http.post("/v1/songs", json={"title": "Other"}, headers=headers)
        assert error_of(other)["param"] == "idempotency_key"
        assert len((await http.get("/v1/jobs")).json()["data"]) == 1
        headers = {"idempotency-key": "k" * 256}
        long = await http.post("/v1/songs", json=wish, headers=headers)
        assert error_of(long)["param"] == "idempotency_key"


async def test_nobody_sees_the_jobs_of_others(front: Front) -> None:
    _, secret = front.keys.create("bob")
    async with front.http() as alice, front.http(secret) as bob:
        job = (await alice.post("/v1/songs", json={"instrumental": True})).json()["id"]
        await ended(alice, job)
        for response in (
            await bob.get(f"/v1/jobs/{job}"),
            await bob.delete(f"/v1/jobs/{job}"),
            await bob.get(f"/v1/jobs/{job}/events"),
            await bob.get(f"/v1/jobs/{job}/artifacts/song.mp3"),
            await bob.post(f"/v1/jobs/{job}/again", json={"step": "mix"}),
            await alice.get(f"/v1/jobs/{job}/artifacts/music.flac"),
            await alice.get(f"/v1/jobs/{job}/artifacts/..%2Fwork%2Fmusic.flac"),
        ):
            assert response.status_code == 404
            assert error_of(response)["code"] == "not_found"
        assert (await bob.get("/v1/jobs")).json()["data"] == []


async def test_a_key_needs_the_scope(front: Front) -> None:
    _, secret = front.keys.create("chatter", scopes=["chat"])
    async with front.http(secret) as http:
        for response in (
            await http.post("/v1/songs", json={}),
            await http.get("/v1/jobs"),
            await http.delete("/v1/jobs/song_1"),
        ):
            assert response.status_code == 403


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"genre": "polka"}, "genre"),
        ({"mood": "hangry"}, "mood"),
        ({"language": "fr"}, "language"),
        ({"key": "H major"}, "key"),
        ({"lyrics": [{"kind": "verse", "lines": ["🎸🎸🎸"]}]}, "lyrics[0].lines[0]"),
        ({"lyrics": [{"kind": "verse", "lines": ["la " * 60]}]}, "lyrics[0].lines[0]"),
        ({"lyrics": [{"kind": "verse", "lines": ["la"] * 40}] * 2}, "lyrics"),
    ],
)
async def test_what_could_not_be_made_is_refused_by_name(
    front: Front, wish: dict[str, Any], param: str
) -> None:
    async with front.http() as http:
        response = await http.post("/v1/songs", json=wish)
        assert response.status_code == 400
        error = error_of(response)
        assert error["param"] == param
        if param == "genre":
            assert "pop, rock" in str(error["message"])
        assert (await http.get("/v1/jobs")).json()["data"] == []
