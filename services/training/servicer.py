"""The training contract: messages of the protocol <-> files and jobs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from orfeon.api.training.v1 import training_pb2, training_pb2_grpc
from services.runtime.context import context_of
from services.runtime.errors import InvalidRequest, OrfeonError
from services.training.files import Files, Incoming
from services.training.jobs import Jobs
from services.training.messages import (
    check_notes,
    checkpoint_message,
    event_message,
    file_message,
    job_message,
    order_of,
)

MAX_KEY_CHARACTERS = 255
_PART_BYTES = 256 * 1024


class TrainingServicer(training_pb2_grpc.TrainingServiceServicer):
    """Keeps files, takes jobs on, and tells their owners how they are."""

    def __init__(self, files: Files, jobs: Jobs, max_bytes: int) -> None:
        self._files = files
        self._jobs = jobs
        self._max_bytes = max_bytes

    async def UploadFile(
        self, request_iterator: AsyncIterator[training_pb2.UploadFileRequest], context: Any
    ) -> training_pb2.UploadFileResponse:
        """Answers once the file is safe."""
        owner = context_of(context).key_id
        config = training_pb2.FileConfig()
        with contextlib.ExitStack() as opened:
            try:
                incoming = await asyncio.to_thread(
                    opened.enter_context, self._files.incoming(owner)
                )
                await _receive(request_iterator, config, incoming)
            except OrfeonError:
                await self._read_off(request_iterator)
                raise
            file = await asyncio.to_thread(
                self._files.keep,
                owner,
                incoming,
                config.filename,
                config.purpose,
                config.expires_after_seconds,
            )
        return training_pb2.UploadFileResponse(file=file_message(file))

    async def GetFile(
        self, request: training_pb2.GetFileRequest, context: Any
    ) -> training_pb2.GetFileResponse:
        """The file's facts."""
        owner = context_of(context).key_id
        file = await asyncio.to_thread(self._files.get, request.file_id, owner)
        return training_pb2.GetFileResponse(file=file_message(file))

    async def ListFiles(
        self, request: training_pb2.ListFilesRequest, context: Any
    ) -> training_pb2.ListFilesResponse:
        """The files of the key that asks."""
        files, more = await asyncio.to_thread(
            self._files.page,
            context_of(context).key_id,
            _limit(request.limit, 10_000, 10_000),
            request.after,
            request.purpose,
            ascending=request.ascending,
        )
        return training_pb2.ListFilesResponse(files=map(file_message, files), has_more=more)

    async def ReadFile(
        self, request: training_pb2.ReadFileRequest, context: Any
    ) -> AsyncIterator[training_pb2.ReadFileResponse]:
        """The file, what is said of it first."""
        owner = context_of(context).key_id
        file = await asyncio.to_thread(self._files.get, request.file_id, owner)
        # Once it is open it can be read to its end, whoever deletes it meanwhile.
        with await asyncio.to_thread(self._files.path(file).open, "rb") as opened:
            yield training_pb2.ReadFileResponse(file=file_message(file))
            while data := await asyncio.to_thread(opened.read, _PART_BYTES):
                yield training_pb2.ReadFileResponse(data=data)

    async def DeleteFile(
        self, request: training_pb2.DeleteFileRequest, context: Any
    ) -> training_pb2.DeleteFileResponse:
        """Answers once it is gone."""
        await asyncio.to_thread(self._files.delete, request.file_id, context_of(context).key_id)
        return training_pb2.DeleteFileResponse()

    async def CreateJob(
        self, request: training_pb2.CreateJobRequest, context: Any
    ) -> training_pb2.CreateJobResponse:
        """Answers once the job is safe."""
        call = context_of(context)
        name = request.config.idempotency_key
        if len(name) > MAX_KEY_CHARACTERS:
            raise InvalidRequest(
                f"The idempotency key may have {MAX_KEY_CHARACTERS} characters.",
                param="idempotency_key",
            )
        order = order_of(request.config, call)
        # Whoever leaves now finds a whole job, or none.
        job, existed = await asyncio.shield(self._jobs.create(call.key_id, order, name))
        return training_pb2.CreateJobResponse(job=job_message(job), existed=existed)

    async def GetJob(
        self, request: training_pb2.GetJobRequest, context: Any
    ) -> training_pb2.GetJobResponse:
        """The job as it is."""
        job = await self._jobs.get(request.job_id, context_of(context).key_id)
        return training_pb2.GetJobResponse(job=job_message(job))

    async def ListJobs(
        self, request: training_pb2.ListJobsRequest, context: Any
    ) -> training_pb2.ListJobsResponse:
        """The jobs of the key that asks."""
        check_notes(request.metadata)
        jobs, more = await self._jobs.page(
            context_of(context).key_id,
            _limit(request.limit, 20, 100),
            request.after,
            request.metadata,
        )
        return training_pb2.ListJobsResponse(jobs=map(job_message, jobs), has_more=more)

    async def ListEvents(
        self, request: training_pb2.ListEventsRequest, context: Any
    ) -> training_pb2.ListEventsResponse:
        """What happened in a job."""
        limit = _limit(request.limit, 20, 1000)
        owner = context_of(context).key_id
        notes, more = await self._jobs.notes(request.job_id, owner, "event", limit, request.after)
        return training_pb2.ListEventsResponse(events=map(event_message, notes), has_more=more)

    async def ListCheckpoints(
        self, request: training_pb2.ListCheckpointsRequest, context: Any
    ) -> training_pb2.ListCheckpointsResponse:
        """The checkpoints of a job."""
        limit = _limit(request.limit, 10, 100)
        owner = context_of(context).key_id
        notes, more = await self._jobs.notes(
            request.job_id, owner, "checkpoint", limit, request.after
        )
        return training_pb2.ListCheckpointsResponse(
            checkpoints=map(checkpoint_message, notes), has_more=more
        )

    async def CancelJob(
        self, request: training_pb2.CancelJobRequest, context: Any
    ) -> training_pb2.CancelJobResponse:
        """Answers when nothing works on the job any more."""
        job = await self._jobs.cancel(request.job_id, context_of(context).key_id)
        return training_pb2.CancelJobResponse(job=job_message(job))

    async def PauseJob(
        self, request: training_pb2.PauseJobRequest, context: Any
    ) -> training_pb2.PauseJobResponse:
        """Answers when nothing works on the job any more."""
        job = await self._jobs.pause(request.job_id, context_of(context).key_id)
        return training_pb2.PauseJobResponse(job=job_message(job))

    async def ResumeJob(
        self, request: training_pb2.ResumeJobRequest, context: Any
    ) -> training_pb2.ResumeJobResponse:
        """Answers once the job waits again."""
        job = await self._jobs.resume(request.job_id, context_of(context).key_id)
        return training_pb2.ResumeJobResponse(job=job_message(job))

    async def _read_off(self, parts: AsyncIterator[training_pb2.UploadFileRequest]) -> None:
        """Reads what is still on its way, within reason, and keeps none of it.

        A client of gRPC's asyncio that is refused while it sends hears of an internal error
        instead of the refusal, so it is let finish first.
        """
        size = 0
        async for part in parts:
            size += len(part.data)
            if size > self._max_bytes:
                return


async def _receive(
    parts: AsyncIterator[training_pb2.UploadFileRequest],
    config: training_pb2.FileConfig,
    incoming: Incoming,
) -> None:
    """Writes the bytes of an upload, and gathers what is said of it in `config`."""
    async for part in parts:
        if part.WhichOneof("part") == "config":
            config.MergeFrom(part.config)
        else:
            await asyncio.to_thread(incoming.append, part.data)


def _limit(asked: int, default: int, most: int) -> int:
    if not 0 <= asked <= most:
        raise InvalidRequest(f"limit must be between 1 and {most}.", param="limit")
    return asked or default
