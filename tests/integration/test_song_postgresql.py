"""Songs whose jobs are in PostgreSQL, which is killed meanwhile."""

import asyncio
from pathlib import Path

import grpc
import pytest

from orfeon.api.song.v1 import song_pb2 as pb
from tests.fakes.songs import staged, wav
from tests.fakes.studio import Script
from tests.integration.state_servers import Postgres


async def test_songs_wait_for_a_database_that_is_away_and_none_is_lost(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    server = Postgres(tmp_path / "server")
    server.start()
    script = Script(holding={"melody"})
    async with staged(tmp_path, script, database_url=server.url) as stage:
        jobs = [await stage.caller.create(wav(), instrumental=False) for _ in range(3)]
        await script.begun["melody"].wait()
        await asyncio.to_thread(server.kill)
        # Two end a step now and cannot record it, one waits in the queue that cannot be read.
        script.released.set()
        with pytest.raises((grpc.aio.AioRpcError, TimeoutError)):
            await asyncio.wait_for(stage.caller.get(jobs[0].id), 2)
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(150):
            ended = [await stage.caller.ended(job.id) for job in jobs]
        assert {job.status for job in ended} == {pb.JOB_STATUS_SUCCEEDED}
        # What was done and could not be recorded is recorded, not done again.
        assert len(script.requests["melody"]) == 3
    server.stop()
