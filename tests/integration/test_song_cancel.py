"""Cancelling jobs of the song service: at any step, while they wait, when they have ended."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orfeon.api.song.v1 import song_pb2 as pb
from services.song import mixing
from tests.fakes.gateway import eventually
from tests.fakes.songs import Stage, staged, wav


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


@pytest.mark.parametrize("service", ["emotion", "lyrics", "melody", "speech"])
async def test_a_job_is_cancelled_at_once_at_any_step(stage: Stage, service: Any) -> None:
    stage.script.holding = {service}
    job = await stage.caller.create(wav(), instrumental=False)
    await stage.script.begun[service].wait()
    # The step would never end.
    async with asyncio.timeout(10):
        cancelled = await stage.caller.cancel(job.id)
    assert cancelled.status == pb.JOB_STATUS_CANCELLED

    async def idle() -> bool:
        return sum(stage.script.at_work.values()) == 0

    await eventually(idle)
    assert stage.voices == []
    assert not (stage.home / "songs" / job.id).exists()
    assert list(cancelled.artifacts) == []
    assert [one.status for one in await stage.caller.watch(job.id)] == [pb.JOB_STATUS_CANCELLED]


async def test_a_song_is_cancelled_while_it_is_mixed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, held = threading.Event(), threading.Event()

    def mixed(*parts: Any) -> Any:
        begun.set()
        held.wait(60)
        return mixing.mixed(*parts)

    # By its name there is the function that the module is named after.
    monkeypatch.setattr(sys.modules["services.song.steps.mix"], "mixed", mixed)
    job = await stage.caller.create()
    assert await asyncio.to_thread(begun.wait, 60)
    # Nobody waits for what has no use any more.
    cancelled = await stage.caller.cancel(job.id)
    held.set()
    assert cancelled.status == pb.JOB_STATUS_CANCELLED
    assert not (stage.home / "songs" / job.id).exists()


async def test_a_job_is_cancelled_while_it_waits_and_does_not_begin(tmp_path: Path) -> None:
    async with staged(tmp_path, slots=1) as stage:
        stage.script.holding = {"melody"}
        running = await stage.caller.create()
        await stage.script.begun["melody"].wait()
        waiting = await stage.caller.create(wav())
        assert len(stage.voices) == 1
        cancelled = await stage.caller.cancel(waiting.id)
        assert cancelled.status == pb.JOB_STATUS_CANCELLED
        assert cancelled.queue_position == 0
        assert stage.voices == []
        stage.script.released.set()
        await stage.caller.ended(running.id)
        assert len(stage.script.requests["lyrics"]) == 1


async def test_jobs_cancelled_at_any_moment_stay_cancelled(stage: Stage) -> None:
    for pause in (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5):
        job = await stage.caller.create()
        await asyncio.sleep(pause)
        status = (await stage.caller.cancel(job.id)).status
        assert status in (pb.JOB_STATUS_CANCELLED, pb.JOB_STATUS_SUCCEEDED)
        await asyncio.sleep(0.3)
        assert (await stage.caller.get(job.id)).status == status
        there = (stage.home / "songs" / job.id).exists()
        assert there == (status == pb.JOB_STATUS_SUCCEEDED)


async def test_what_has_ended_cannot_be_cancelled(stage: Stage) -> None:
    job = await stage.caller.create()
    await stage.caller.ended(job.id)
    assert (await stage.caller.cancel(job.id)).status == pb.JOB_STATUS_SUCCEEDED
    assert await stage.caller.read(job.id, "song.mp3")
