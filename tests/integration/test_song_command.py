"""`orfeon song`, `orfeon jobs` and the client, before a gateway and a real song service."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orfeon import AsyncOrfeon, NotFoundError, Orfeon
from tests.fakes.gateway import eventually
from tests.fakes.songs import wav
from tests.integration.test_gateway_songs import Front, ended, fronted

ORFEON = Path(sys.executable).parent / "orfeon"


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with fronted(tmp_path) as front:
        yield front


async def begun(front: Front, folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        ORFEON, *arguments, "--base-url", front.url, "--api-key", front.secret,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def run(front: Front, folder: Path, *arguments: str) -> tuple[int | None, str, str]:
    process = await begun(front, folder, *arguments)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


async def test_a_song_and_all_that_goes_with_it(front: Front, tmp_path: Path) -> None:
    (tmp_path / "me.wav").write_bytes(wav())
    code, out, err = await run(
        front, tmp_path, "song", "--genre", "pop", "--title", "Home", "--artist", "Me",
        "--first-line", "Oh", "--seed", "7", "--voice", "me.wav", "--instrumental",
        "-o", "home.mp3", "--all", "files",
    )  # fmt: skip
    assert (code, out) == (0, ""), err
    assert err == "seed 7\n"
    (written,) = front.script.requests["lyrics"]
    assert (written.title, written.style, written.first_line) == ("Home", "Me", "Oh")
    assert front.script.voices == [wav()]
    names = {path.name for path in (tmp_path / "files").iterdir()}
    assert {"song.mp3", "lyrics.lrc", "cover.png", "melody.mid", "stem-lead.flac"} <= names
    whole = (tmp_path / "files" / "song.mp3").read_bytes()
    assert (tmp_path / "home.mp3").read_bytes() == whole


async def test_what_cannot_be_written_is_not_made(front: Front, tmp_path: Path) -> None:
    code, _, err = await run(front, tmp_path, "song", "-o", "none/song.mp3")
    assert (code, err) == (1, "orfeon: none: No such file or directory.\n")
    assert not front.script.requests["lyrics"]


async def test_a_title_that_is_no_text_is_no_fault_of_ours(front: Front, tmp_path: Path) -> None:
    code, _, err = await run(front, tmp_path, "song", "--title", os.fsdecode(b"\xff"))
    assert code == 1
    assert err.startswith("orfeon: A text that was given is not valid Unicode;")


async def test_ctrl_c_cancels_the_job(front: Front, tmp_path: Path) -> None:
    front.script.holding = {"melody"}
    process = await begun(front, tmp_path, "song", "--instrumental")
    await front.script.begun["melody"].wait()
    async with front.http() as http:

        async def follows() -> bool:
            page = (await http.get("/metrics")).text
            accepted = 'method="POST",route="/v1/songs",status="202"} 1.0' in page
            # The one that asks is the other.
            return accepted and "orfeon_http_requests_in_progress 2.0" in page

        await eventually(follows)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130
    assert b"is cancelled." in err
    assert not (tmp_path / "song.mp3").exists()
    async with front.http() as http:
        (job,) = (await http.get("/v1/jobs")).json()["data"]
        assert job["status"] == "cancelled"


async def test_jobs_are_listed_and_cancelled(front: Front, tmp_path: Path) -> None:
    front.script.holding = {"melody"}
    async with front.http() as http:
        wish = {"title": "Home", "instrumental": True}
        job = (await http.post("/v1/songs", json=wish)).json()["id"]
        await front.script.begun["melody"].wait()
        code, out, _ = await run(front, tmp_path, "jobs")
        assert code == 0
        assert job in out
        assert "Home" in out
        code, out, _ = await run(front, tmp_path, "jobs", "cancel", job)
        assert (code, out) == (0, f"{job} cancelled\n")
        assert (await ended(http, job))["status"] == "cancelled"
        _, out, _ = await run(front, tmp_path, "jobs", "--json")
        assert [one["id"] for one in json.loads(out)["data"]] == [job]
        code, out, err = await run(front, tmp_path, "jobs", "cancel", "song_nobody")
        assert (code, out, err) == (1, "", "orfeon: There is no such job here.\n")


async def test_a_song_that_fails_is_one_sentence(front: Front, tmp_path: Path) -> None:
    code, _, err = await run(front, tmp_path, "song", "--genre", "polka")
    assert (code, err) == (
        1, "orfeon: There is no genre 'polka' of songs here; there are: pop, rock.\n",
    )  # fmt: skip
    front.script.scores = False
    code, _, err = await run(front, tmp_path, "song", "--instrumental")
    assert code == 1
    assert err.startswith("orfeon: The model that composes here")
    assert len(err.splitlines()) == 1


async def test_the_client_makes_a_song_and_a_step_of_it_again(front: Front, tmp_path: Path) -> None:
    def use() -> None:
        with Orfeon(front.url, front.secret) as client:
            job = client.songs.create(wav(), genre="pop", instrumental=True, lines=1, seed=3)
            states = list(client.jobs.events(job.id))
            assert states[-1].status == "completed"
            assert states[-1].ended
            assert (states[-1].song.mood, states[-1].song.seed) == ("sad", 3)
            repeated = client.songs.again(job.id, "melody", seed=4)
            done = client.jobs.wait(repeated.id)
            assert (done.repeated_from, done.status) == (job.id, "completed")
            assert [one.id for one in client.jobs.list()] == [done.id, job.id]
            assert [one.id for one in client.jobs.list(after=done.id)] == [job.id]
            client.jobs.download(done.id, "melody.mid", tmp_path / "melody.mid")
            assert (tmp_path / "melody.mid").read_bytes() == b"melody.mid 4"
            with pytest.raises(NotFoundError):
                client.jobs.read(done.id, "nothing.mp3")

    await asyncio.to_thread(use)


async def test_the_asynchronous_client_does_the_same(front: Front) -> None:
    front.script.holding = {"melody"}
    async with AsyncOrfeon(front.url, front.secret) as client:
        job = await client.songs.create(instrumental=True, idempotency_key="k")
        same = await client.songs.create(instrumental=True, idempotency_key="k")
        assert same.id == job.id
        await front.script.begun["melody"].wait()
        assert (await client.jobs.get(job.id)).step == "melody"
        assert (await client.jobs.cancel(job.id)).status == "cancelled"
        assert [state.status async for state in client.jobs.events(job.id)] == ["cancelled"]
        front.script.released.set()
        done = await client.jobs.wait((await client.songs.create(instrumental=True)).id)
        assert await client.jobs.read(done.id, "lyrics.txt")
        assert (await client.songs.again(done.id, "mix")).repeated_from == done.id
        assert len(await client.jobs.list()) == 3
