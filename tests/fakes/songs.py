"""Runs the song service in this process before scripted services, over real sockets."""

import asyncio
import io
import struct
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import grpc

from orfeon.api.song.v1 import song_pb2, song_pb2_grpc
from services.runtime.connection import answer, answers
from services.runtime.context import RequestContext
from services.song.server import SongServer
from services.song.settings import SongSettings, Upstream
from tests.fakes.studio import Script, serving

ENDED = (
    song_pb2.JOB_STATUS_SUCCEEDED,
    song_pb2.JOB_STATUS_FAILED,
    song_pb2.JOB_STATUS_CANCELLED,
)


def settings_for(home: Path, **more: Any) -> SongSettings:
    """Settings that send every service to one address in `home`."""
    upstreams = dict.fromkeys(get_args(Upstream), f"unix:{home}/studio.sock")
    chosen = {"upstreams": upstreams, "drain_seconds": 0, "patience_seconds": 30, **more}
    return SongSettings(home=home, address=f"unix:{home}/song.sock", **chosen)


def wav(seconds: float = 1.0, loudness: int = 1000) -> bytes:
    """A recording of a hum, 200 Hz, in which nothing is said."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        period = struct.pack("<h", loudness) * 40 + struct.pack("<h", -loudness) * 40
        file.writeframes(period * int(200 * seconds))
    return buffer.getvalue()


@dataclass
class Caller:
    """Calls the song service as one key. Raises `OrfeonError`."""

    channel: grpc.aio.Channel
    key: str = "alice"
    priority: int = 2

    @property
    def stub(self) -> Any:
        return song_pb2_grpc.SongServiceStub(self.channel)

    @property
    def metadata(self) -> Any:
        return RequestContext("req_test", self.key, self.priority).metadata()

    async def create(self, voice: bytes = b"", **config: Any) -> song_pb2.Job:
        """Submits a song."""
        return (await self.created(voice, **config)).job

    async def created(self, voice: bytes = b"", **config: Any) -> song_pb2.CreateSongResponse:
        """Submits a song; the whole answer."""
        config = {"genre": "rock", "instrumental": True, **config}
        parts = [song_pb2.CreateSongRequest(config=song_pb2.SongConfig(**config))]
        if voice:
            parts.append(song_pb2.CreateSongRequest(audio=voice))

        async def messages() -> AsyncIterator[song_pb2.CreateSongRequest]:
            for part in parts:
                yield part

        response: song_pb2.CreateSongResponse = await answer(
            self.stub.CreateSong(messages(), metadata=self.metadata)
        )
        return response

    async def again(self, job: str, step: Any, **more: Any) -> song_pb2.Job:
        request = song_pb2.RepeatSongRequest(job_id=job, step=step, **more)
        repeated = await answer(self.stub.RepeatSong(request, metadata=self.metadata))
        made: song_pb2.Job = repeated.job
        return made

    async def get(self, job: str) -> song_pb2.Job:
        request = song_pb2.GetJobRequest(job_id=job)
        found: song_pb2.Job = (await answer(self.stub.GetJob(request, metadata=self.metadata))).job
        return found

    async def page(self, **request: Any) -> song_pb2.ListJobsResponse:
        call = self.stub.ListJobs(song_pb2.ListJobsRequest(**request), metadata=self.metadata)
        page: song_pb2.ListJobsResponse = await answer(call)
        return page

    async def cancel(self, job: str) -> song_pb2.Job:
        request = song_pb2.CancelJobRequest(job_id=job)
        cancelled = await answer(self.stub.CancelJob(request, metadata=self.metadata))
        ended: song_pb2.Job = cancelled.job
        return ended

    async def watch(self, job: str) -> list[song_pb2.Job]:
        """The job at each change, until it has ended."""
        call = self.stub.WatchJob(song_pb2.WatchJobRequest(job_id=job), metadata=self.metadata)
        return [response.job async for response in answers(call)]

    async def read(self, job: str, name: str) -> bytes:
        """An artifact."""
        call = self.stub.ReadArtifact(
            song_pb2.ReadArtifactRequest(job_id=job, name=name), metadata=self.metadata
        )
        return b"".join([part.data async for part in answers(call)])

    async def ended(self, job: str, seconds: float = 60) -> song_pb2.Job:
        """The job once it has ended."""
        async with asyncio.timeout(seconds):
            while True:
                if (found := await self.get(job)).status in ENDED:
                    return found
                await asyncio.sleep(0.05)


@dataclass
class Stage:
    """A song service before its scripted services."""

    settings: SongSettings
    script: Script
    caller: Caller
    server: SongServer

    def other(self, key: str) -> Caller:
        """Somebody else."""
        return Caller(self.caller.channel, key)

    @property
    def home(self) -> Path:
        return self.settings.home

    @property
    def voices(self) -> list[Path]:
        """The recordings of voices that are kept."""
        return list((self.home / "songs").glob("*/kept/voice"))


@asynccontextmanager
async def staged(home: Path, script: Script | None = None, **more: Any) -> AsyncIterator[Stage]:
    """A service with settings of one's own."""
    settings = settings_for(home, **more)
    script = script or Script()
    async with serving(f"unix:{home}/studio.sock", script):
        server = SongServer(settings)
        await server.start()
        async with grpc.aio.insecure_channel(settings.address) as channel:
            stage = Stage(settings, script, Caller(channel), server)
            try:
                yield stage
            finally:
                await stage.server.stop()


async def restart(stage: Stage) -> None:
    """Stops the service, and starts another where it was."""
    await stage.server.stop()
    stage.server = SongServer(stage.settings)
    await stage.server.start()
