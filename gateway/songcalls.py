"""Calls of the song service, made again where it dies before it has answered."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from gateway.calls import Calls
from gateway.retry import Retries
from gateway.uploads import Recording
from gateway.upstreams import Upstreams
from orfeon.api.song.v1 import song_pb2
from services.runtime.context import RequestContext

T = TypeVar("T")


class SongCalls:
    """The song service. Every method raises `OrfeonError`."""

    def __init__(self, upstreams: Upstreams, retries: Retries) -> None:
        self._upstreams = upstreams
        self._calls = Calls("song", retries)

    async def create(
        self, config: song_pb2.SongConfig, voice: Recording | None, context: RequestContext
    ) -> song_pb2.Job:
        """Takes a song on. The config must name the request, lest it be made twice."""
        created: song_pb2.CreateSongResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.song.CreateSong(_parts(config, voice), **call)
        )
        return created.job

    async def again(
        self, asked: song_pb2.RepeatSongRequest, context: RequestContext
    ) -> song_pb2.Job:
        """Makes a step again. The request must be named too."""
        repeated: song_pb2.RepeatSongResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.song.RepeatSong(asked, **call)
        )
        return repeated.job

    async def get(self, job: str, context: RequestContext) -> song_pb2.Job:
        """A job."""
        asked = song_pb2.GetJobRequest(job_id=job)
        found: song_pb2.GetJobResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.song.GetJob(asked, **call)
        )
        return found.job

    async def page(
        self, limit: int, after: str, context: RequestContext
    ) -> song_pb2.ListJobsResponse:
        """Jobs of a key, the newest first."""
        asked = song_pb2.ListJobsRequest(limit=limit, after=after)
        page: song_pb2.ListJobsResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.song.ListJobs(asked, **call)
        )
        return page

    async def cancel(self, job: str, context: RequestContext) -> song_pb2.Job:
        """Cancels a job; returns when nothing works on it."""
        asked = song_pb2.CancelJobRequest(job_id=job)
        cancelled: song_pb2.CancelJobResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.song.CancelJob(asked, **call)
        )
        return cancelled.job

    def watch(
        self, job: str, context: RequestContext
    ) -> AsyncGenerator[song_pb2.WatchJobResponse, None]:
        """A job at each change, until it has ended or the service dies."""
        asked = song_pb2.WatchJobRequest(job_id=job)
        return self._calls.follow(
            context, lambda **call: self._upstreams.song.WatchJob(asked, **call)
        )

    def read(
        self, job: str, name: str, context: RequestContext
    ) -> AsyncGenerator[song_pb2.ReadArtifactResponse, None]:
        """An artifact, what is said of it first."""
        asked = song_pb2.ReadArtifactRequest(job_id=job, name=name)
        return self._calls.follow(
            context, lambda **call: self._upstreams.song.ReadArtifact(asked, **call)
        )


async def _parts(
    config: song_pb2.SongConfig, voice: Recording | None
) -> AsyncIterator[song_pb2.CreateSongRequest]:
    yield song_pb2.CreateSongRequest(config=config)
    if voice is not None:
        async for data in voice.messages():
            yield song_pb2.CreateSongRequest(audio=data)
