"""The training service as a process of its own: killed, started again, and never twice at once."""

import asyncio
import io
import json
import os
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import psutil
import pytest

from services.runtime.errors import InsufficientStorage
from tests.fakes.gateway import eventually
from tests.fakes.trainings import ENDED, FAILED, SUCCEEDED, TRAINER, Caller, examples, staged


@contextmanager
def service(home: Path, way: str) -> Iterator[subprocess.Popen[bytes]]:
    """A service whose trainer behaves in some way; it is killed after the block."""
    told = {
        "ORFEON_HOME": str(home),
        "ORFEON_TRAINING_ADDRESS": f"unix:{home}/training.sock",
        "ORFEON_TRAINING_TRAINER": json.dumps([sys.executable, str(TRAINER), way]),
        "ORFEON_TRAINING_LOOK_SECONDS": "0.05",
        "ORFEON_TRAINING_DRAIN_SECONDS": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.training"], env=os.environ | told, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def caller(home: Path) -> AsyncIterator[Caller]:
    async with grpc.aio.insecure_channel(f"unix:{home}/training.sock") as channel:
        async with asyncio.timeout(60):
            await channel.channel_ready()
        yield Caller(channel)


def trainers(home: Path) -> list[psutil.Process]:
    """Of the services in a home, dead ones too, for their trainers are nobody's children then."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        ours = str(TRAINER) in command and "services.training" not in command
        if ours and any(str(home) in word for word in command):
            found.append(process)
    return found


async def test_jobs_survive_a_service_that_is_killed_and_its_trainer_does_not(
    tmp_path: Path,
) -> None:
    async def none_trains() -> bool:
        return not trainers(tmp_path)

    way = "steps=15,pause=0.1"
    with service(tmp_path, way) as first:
        async with caller(tmp_path) as alice:
            running, waiting = await alice.create(), await alice.create()
            await alice.told(running.id, "Step 3.")
        first.send_signal(signal.SIGKILL)
        first.wait()
        # Else two would train the same model.
        await eventually(none_trains)
    with service(tmp_path, way):
        async with caller(tmp_path) as alice:
            for job in (running, waiting):
                assert (await alice.until(job.id, *ENDED)).status == SUCCEEDED
                steps = [m for m in await alice.messages(job.id) if m.startswith("Step")]
                assert sorted(set(steps), key=steps.index) == [f"Step {n}." for n in range(1, 16)]
                # What was under way when it was killed may be told twice.
                assert len(steps) <= 16


async def test_a_service_that_is_told_to_stop_leaves_a_checkpoint(tmp_path: Path) -> None:
    way = "steps=15,pause=0.4"
    with service(tmp_path, way) as first:
        async with caller(tmp_path) as alice:
            job = await alice.create()
            await alice.told(job.id, "Step 3.")
        first.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.wait, 60) == 0
        assert not trainers(tmp_path)
    with service(tmp_path, way):
        async with caller(tmp_path) as alice:
            assert (await alice.until(job.id, *ENDED)).status == SUCCEEDED
            messages = await alice.messages(job.id)
            assert [m for m in messages if m.startswith("Step")] == [
                f"Step {number}." for number in range(1, 16)
            ]
            assert "Stopped." in messages


async def test_a_second_service_in_the_same_home_says_why_it_does_not_start(
    tmp_path: Path,
) -> None:
    with service(tmp_path, "steps=1"):
        async with caller(tmp_path):
            with service(tmp_path, "steps=1") as second:
                _, said = await asyncio.to_thread(second.communicate, None, 60)
    assert second.returncode == 1
    assert b"training.db cannot be used: database is locked" in said
    assert b"Traceback" not in said


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As if the disk ended there, for every file of this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("happy/1.wav", b"\0" * 2_000_000)
    async with staged(tmp_path) as stage:
        with largest_file(1_000_000):
            with pytest.raises(InsufficientStorage, match="disk"):
                await stage.caller.upload(b"x" * 2_000_000)
            assert list((tmp_path / "training" / "files").iterdir()) == []
            file = await stage.caller.upload(packed.getvalue())
            job = await stage.caller.create(training_file=file.id)
            failed = await stage.caller.until(job.id, *ENDED)
        assert (failed.status, failed.error.code) == (FAILED, "insufficient_storage")
        assert list((tmp_path / "training" / "jobs" / job.id).rglob("*.wav")) == []
        # There is room again.
        job = await stage.caller.create()
        assert (await stage.caller.until(job.id, *ENDED)).status == SUCCEEDED


async def test_a_database_that_cannot_grow_refuses_jobs_and_then_goes_on(tmp_path: Path) -> None:
    async def until_it_is_full(caller: Caller, file: str) -> None:
        for number in range(200):
            await caller.create(training_file=file, metadata={"n": str(number) + "x" * 400})

    async with staged(tmp_path, "steps=40,pause=0.1") as stage:
        file = await stage.caller.upload(examples())
        running = await stage.caller.create(training_file=file.id)
        await stage.caller.told(running.id, "Step 2.")
        size = (tmp_path / "training" / "training.db").stat().st_size
        with largest_file(size):
            with pytest.raises(InsufficientStorage, match="disk that jobs are kept on"):
                await until_it_is_full(stage.caller, file.id)
            # What is told of the job meanwhile cannot be kept.
            await asyncio.sleep(1)
        done = await stage.caller.until(running.id, *ENDED)
        assert done.status == SUCCEEDED
        messages = await stage.caller.messages(running.id)
        assert [m for m in messages if m.startswith("Step")] == [f"Step {n}." for n in range(1, 41)]
        await stage.caller.create(training_file=file.id)


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    with service(tmp_path, "steps=1"):
        async with caller(tmp_path) as alice:
            job = await alice.create()
            await alice.until(job.id, *ENDED)
    for path in (tmp_path / "training").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
