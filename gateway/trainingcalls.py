"""Calls of the training service."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc

from gateway.calls import Calls
from gateway.retry import Retries
from gateway.upstreams import Upstreams
from orfeon.api.training.v1 import training_pb2
from services.runtime.connection import answer, cancel
from services.runtime.context import RequestContext


class TrainingCalls:
    """The training service. Every method raises `OrfeonError`."""

    def __init__(self, upstreams: Upstreams, retries: Retries) -> None:
        self._upstreams = upstreams
        self._calls = Calls("training", retries)

    async def upload(
        self, parts: AsyncIterator[training_pb2.UploadFileRequest], context: RequestContext
    ) -> training_pb2.File:
        """Keeps a file as it comes. Where the service dies meanwhile nobody can ask again."""
        call: Any = self._upstreams.training.UploadFile(metadata=context.metadata())
        try:
            # Where it has ended already, it says itself why.
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                async for part in parts:
                    await call.write(part)
                await call.done_writing()
            uploaded: training_pb2.UploadFileResponse = await answer(call)
            return uploaded.file
        finally:
            cancel(call)

    async def file(self, file: str, context: RequestContext) -> training_pb2.File:
        """A file's facts."""
        asked = training_pb2.GetFileRequest(file_id=file)
        found: training_pb2.GetFileResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.GetFile(asked, **call)
        )
        return found.file

    async def files(
        self, asked: training_pb2.ListFilesRequest, context: RequestContext
    ) -> training_pb2.ListFilesResponse:
        """Files of a key."""
        page: training_pb2.ListFilesResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.ListFiles(asked, **call)
        )
        return page

    def read(
        self, file: str, context: RequestContext
    ) -> AsyncGenerator[training_pb2.ReadFileResponse, None]:
        """A file, what is said of it first."""
        asked = training_pb2.ReadFileRequest(file_id=file)
        return self._calls.follow(
            context, lambda **call: self._upstreams.training.ReadFile(asked, **call)
        )

    async def delete(self, file: str, context: RequestContext) -> None:
        """Removes a file."""
        asked = training_pb2.DeleteFileRequest(file_id=file)
        await self._calls.ask(
            context, lambda **call: self._upstreams.training.DeleteFile(asked, **call)
        )

    async def create(
        self, config: training_pb2.JobConfig, context: RequestContext
    ) -> training_pb2.Job:
        """Takes a job on. The config must name the request, lest it be made twice."""
        asked = training_pb2.CreateJobRequest(config=config)
        created: training_pb2.CreateJobResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.CreateJob(asked, **call)
        )
        return created.job

    async def get(self, job: str, context: RequestContext) -> training_pb2.Job:
        """A job."""
        asked = training_pb2.GetJobRequest(job_id=job)
        found: training_pb2.GetJobResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.GetJob(asked, **call)
        )
        return found.job

    async def jobs(
        self, asked: training_pb2.ListJobsRequest, context: RequestContext
    ) -> training_pb2.ListJobsResponse:
        """Jobs of a key, the newest first."""
        page: training_pb2.ListJobsResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.ListJobs(asked, **call)
        )
        return page

    async def events(
        self, asked: training_pb2.ListEventsRequest, context: RequestContext
    ) -> training_pb2.ListEventsResponse:
        """What happened in a job, the newest first."""
        page: training_pb2.ListEventsResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.ListEvents(asked, **call)
        )
        return page

    async def checkpoints(
        self, asked: training_pb2.ListCheckpointsRequest, context: RequestContext
    ) -> training_pb2.ListCheckpointsResponse:
        """Checkpoints of a job, the newest first."""
        page: training_pb2.ListCheckpointsResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.ListCheckpoints(asked, **call)
        )
        return page

    async def cancel(self, job: str, context: RequestContext) -> training_pb2.Job:
        """Cancels a job; returns when nothing works on it."""
        asked = training_pb2.CancelJobRequest(job_id=job)
        cancelled: training_pb2.CancelJobResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.CancelJob(asked, **call)
        )
        return cancelled.job

    async def pause(self, job: str, context: RequestContext) -> training_pb2.Job:
        """Stops a job at a checkpoint; returns when nothing works on it."""
        asked = training_pb2.PauseJobRequest(job_id=job)
        paused: training_pb2.PauseJobResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.PauseJob(asked, **call)
        )
        return paused.job

    async def resume(self, job: str, context: RequestContext) -> training_pb2.Job:
        """Queues a paused job again."""
        asked = training_pb2.ResumeJobRequest(job_id=job)
        resumed: training_pb2.ResumeJobResponse = await self._calls.ask(
            context, lambda **call: self._upstreams.training.ResumeJob(asked, **call)
        )
        return resumed.job
