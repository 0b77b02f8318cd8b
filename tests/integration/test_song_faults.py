"""What goes wrong while songs are made: services that die, disks that are full, and kill -9."""

import asyncio
import os
import random
import resource
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from orfeon.api.song.v1 import song_pb2 as pb
from services.runtime.errors import (
    InvalidRequest,
    ModelLoading,
    OrfeonError,
    Overloaded,
    ServiceUnavailable,
)
from tests.fakes.gateway import eventually
from tests.fakes.songs import Caller, settings_for, staged, wav
from tests.fakes.studio import Script, serving


@pytest.mark.parametrize("service", ["emotion", "lyrics", "melody", "speech"])
async def test_a_step_waits_for_a_service_that_is_busy_or_loading(
    tmp_path: Path, service: Any
) -> None:
    async with staged(tmp_path) as stage:
        stage.script.errors[service] = [
            Overloaded("Full.", retry_after=0.01),
            ModelLoading("Loading.", retry_after=0.01),
            ServiceUnavailable("Away."),
        ]
        job = await stage.caller.create(wav(), instrumental=False)
        assert (await stage.caller.ended(job.id)).status == pb.JOB_STATUS_SUCCEEDED
        assert stage.script.errors[service] == []


@pytest.mark.parametrize("service", ["emotion", "lyrics", "melody", "speech"])
async def test_a_service_that_dies_at_work_is_asked_again_when_it_is_back(
    tmp_path: Path, service: Any
) -> None:
    dying = Script(holding={service})
    address = f"unix:{tmp_path}/other.sock"
    other = dict.fromkeys(("emotion", "lyrics", "melody", "speech"), address)
    async with staged(tmp_path, upstreams=other) as stage:
        async with serving(address, dying):
            job = await stage.caller.create(wav(), instrumental=False)
            await dying.begun[service].wait()
        assert (await stage.caller.get(job.id)).status == pb.JOB_STATUS_RUNNING
        async with serving(address, Script()):
            done = await stage.caller.ended(job.id)
    assert done.status == pb.JOB_STATUS_SUCCEEDED


async def test_what_a_service_refuses_is_the_end_of_the_job(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.script.errors["melody"] = [InvalidRequest("Ask for less.", param="sections")]
        job = await stage.caller.create()
        done = await stage.caller.ended(job.id)
        assert done.status == pb.JOB_STATUS_FAILED
        assert (done.error_code, done.error_message) == ("invalid_request_error", "Ask for less.")
        assert done.step == pb.STEP_MELODY
        assert list(done.artifacts) == []
        assert not (tmp_path / "songs" / job.id).exists()


async def test_a_fault_of_ours_says_nothing_of_itself(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.script.errors["lyrics"] = [RuntimeError("secret")]
        done = await stage.caller.ended((await stage.caller.create()).id)
        assert (done.status, done.error_code) == (pb.JOB_STATUS_FAILED, "internal_error")
        assert "secret" not in done.error_message


async def test_patience_has_an_end(tmp_path: Path) -> None:
    async with staged(tmp_path, patience_seconds=0.5) as stage:
        stage.script.errors["lyrics"] = [ServiceUnavailable("Away.") for _ in range(9)]
        done = await stage.caller.ended((await stage.caller.create()).id)
        assert (done.status, done.error_code) == (pb.JOB_STATUS_FAILED, "service_unavailable")


async def test_a_model_that_writes_no_notes_cannot_make_songs(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.script.scores = False
        done = await stage.caller.ended((await stage.caller.create()).id)
        assert done.status == pb.JOB_STATUS_FAILED
        assert "ORFEON_SONG_MELODY_MODEL" in done.error_message


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As if the disk ended there, for every file of this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_fails_the_job_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.script.noise = True
        with largest_file(1_000_000):
            job = await stage.caller.create()
            done = await stage.caller.ended(job.id)
        assert (done.status, done.error_code) == (pb.JOB_STATUS_FAILED, "insufficient_storage")
        assert "disk" in done.error_message
        assert list((tmp_path / "songs").iterdir()) == []


async def test_a_voice_that_the_disk_has_no_room_for_is_refused(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with largest_file(1_000_000), pytest.raises(OrfeonError) as refused:
            await stage.caller.create(wav(40.0))
        assert refused.value.code == "insufficient_storage"
        assert list((tmp_path / "songs").iterdir()) == []
        assert list((await stage.caller.page()).jobs) == []


async def test_a_service_that_stops_goes_on_at_its_next_start(tmp_path: Path) -> None:
    script = Script(holding={"melody"})
    async with staged(tmp_path, script) as stage:
        job = await stage.caller.create()
        await script.begun["melody"].wait()
    script.holding = set()
    async with staged(tmp_path, script) as stage:
        done = await stage.caller.ended(job.id)
    assert done.status == pb.JOB_STATUS_SUCCEEDED
    assert len(script.requests["lyrics"]) == 1
    assert len(script.requests["melody"]) == 2


async def test_files_whose_job_was_never_kept_are_removed_at_start(tmp_path: Path) -> None:
    orphan = tmp_path / "songs" / "song_orphan" / "kept"
    orphan.mkdir(parents=True)
    (orphan / "voice").write_bytes(wav())
    async with staged(tmp_path):
        assert not orphan.exists()


class Killable:
    """The song service as a process of its own, that can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        settings = settings_for(home)
        self.address = settings.address
        names = {f"ORFEON_SONG_UPSTREAMS__{n.upper()}": a for n, a in settings.upstreams.items()}
        self.environment = {
            **os.environ,
            **names,
            "ORFEON_HOME": str(home),
            "ORFEON_SONG_ADDRESS": settings.address,
        }
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self.home / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.song", env=self.environment, stderr=log
            )

    async def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def killable(home: Path) -> AsyncIterator[Killable]:
    service = Killable(home)
    await service.start()
    try:
        yield service
    finally:
        await service.kill()


@asynccontextmanager
async def calling(service: Killable) -> AsyncIterator[Caller]:
    # Comes back soon after each of the service's deaths, and waits for it.
    options = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.min_reconnect_backoff_ms", 200)]
    async with grpc.aio.insecure_channel(service.address, options=options) as channel:
        yield Caller(channel)


async def insisting(attempt: Any) -> Any:
    """What a call returns that is made until the service is there to answer it."""
    while True:
        try:
            return await attempt()
        except ServiceUnavailable:
            await asyncio.sleep(0.05)


async def test_songs_outlive_kills_at_random_moments_and_none_is_made_twice(
    tmp_path: Path,
) -> None:
    chance = random.Random(5)
    script = Script()
    keys = [f"song {number}" for number in range(6)]
    async with (
        serving(f"unix:{tmp_path}/studio.sock", script),
        killable(tmp_path) as service,
        calling(service) as caller,
    ):

        async def asked(key: str) -> str:
            # Whoever is cut off while asking asks again, by the same key.
            job = await insisting(lambda: caller.create(title=key, idempotency_key=key))
            return str(job.id)

        async def ended(job: str) -> pb.Job:
            found = await insisting(lambda: caller.ended(job, 300))
            assert isinstance(found, pb.Job)
            return found

        asking = asyncio.gather(*(asked(key) for key in keys))
        for _ in range(5):
            await asyncio.sleep(chance.uniform(0.8, 4.0))
            await service.kill()
            await service.start()
        jobs = await asking
        done = await asyncio.gather(*map(ended, jobs))
        assert [job.status for job in done] == [pb.JOB_STATUS_SUCCEEDED] * len(keys)
        assert len(set(jobs)) == len(keys)
        assert len((await caller.page()).jobs) == len(keys)
        for job in done:
            assert "song.mp3" in {file.name for file in job.artifacts}
            for file in job.artifacts:
                assert len(await caller.read(job.id, file.name)) == file.bytes
        left = list((tmp_path / "songs").glob("*/*/.*"))
        assert len(left) <= 5, "no more than a half-written file for each kill"
    titles = Counter(request.title for request in script.requests["lyrics"])
    assert set(titles) == set(keys)


async def test_a_voice_outlives_a_kill_until_it_has_been_heard(tmp_path: Path) -> None:
    script = Script(holding={"emotion"})
    async with (
        serving(f"unix:{tmp_path}/studio.sock", script),
        killable(tmp_path) as service,
        calling(service) as caller,
    ):
        job = await insisting(lambda: caller.create(wav()))
        await script.begun["emotion"].wait()
        await service.kill()
        assert len(list((tmp_path / "songs").glob("*/kept/voice"))) == 1
        script.holding = set()
        await service.start()
        done = await insisting(lambda: caller.ended(job.id))
        assert done.status == pb.JOB_STATUS_SUCCEEDED
        assert done.song.mood == "sad"

        async def forgotten() -> bool:
            return not list((tmp_path / "songs").glob("*/kept/voice"))

        await eventually(forgotten)


async def test_sigterm_ends_the_service_and_what_it_was_at_goes_on(tmp_path: Path) -> None:
    script = Script(holding={"melody"})
    async with (
        serving(f"unix:{tmp_path}/studio.sock", script),
        killable(tmp_path) as service,
        calling(service) as caller,
    ):
        job = await insisting(lambda: caller.create())
        await script.begun["melody"].wait()
        assert service.process is not None
        service.process.terminate()
        assert await asyncio.wait_for(service.process.wait(), 60) == 0
        script.holding = set()
        await service.start()
        done = await insisting(lambda: caller.ended(job.id))
        assert done.status == pb.JOB_STATUS_SUCCEEDED


async def test_what_the_service_keeps_is_for_its_own_user(tmp_path: Path) -> None:
    async with (
        serving(f"unix:{tmp_path}/studio.sock", Script()),
        killable(tmp_path) as service,
        calling(service) as caller,
    ):
        job = await insisting(lambda: caller.create(title="Mine"))
        await insisting(lambda: caller.ended(job.id))
    assert (tmp_path / "songs" / job.id).is_dir()
    for path in (tmp_path / "songs", tmp_path / "songs" / job.id, tmp_path / "songs.db"):
        assert path.stat().st_mode & 0o077 == 0


async def test_a_broken_database_is_told_in_a_sentence_and_costs_no_song(tmp_path: Path) -> None:
    (tmp_path / "songs.db").write_bytes(b"no database " * 1000)
    kept = tmp_path / "songs" / "song_1" / "artifacts"
    kept.mkdir(parents=True)
    service = Killable(tmp_path)
    await service.start()
    assert service.process is not None
    assert await asyncio.wait_for(service.process.wait(), 60) == 1
    assert (tmp_path / "log").read_text().splitlines()[-1] == (
        f"The songs' database sqlite:///{tmp_path}/songs.db cannot be used: file is not a database"
    )
    assert kept.is_dir()
