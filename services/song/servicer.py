"""The song contract: messages of the protocol <-> orders and jobs."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

import grpc
import numpy as np

from orfeon.api.song.v1 import song_pb2, song_pb2_grpc
from services.runtime import worker
from services.runtime.audio import AudioLimits, decode
from services.runtime.context import RequestContext, context_of
from services.runtime.errors import InvalidAudio, InvalidRequest, OrfeonError
from services.runtime.upload import Uploads
from services.song.genres import KnownGenres
from services.song.jobs import Jobs
from services.song.messages import STEPS, artifact_message, job_message
from services.song.order import Order, again, drawn, job_id
from services.song.upstreams import Upstreams
from services.song.wish import MAX_KEY_CHARACTERS, wish_of

MAX_PAGE, PAGE = 100, 20
#: Longest recording of a voice, seconds.
MAX_VOICE_SECONDS = 600.0
_VOICE_RATE = 16_000
#: What stays below, full scale being 1, is silence: a microphone that was off.
SOFTEST_VOICE = 1e-3
_PART_BYTES = 256 * 1024

_NAMES = {number: name for name, number in STEPS.items()}


class SongServicer(song_pb2_grpc.SongServiceServicer):
    """Takes songs on, and tells their owners how they are."""

    def __init__(
        self, jobs: Jobs, genres: KnownGenres, upstreams: Upstreams, uploads: Uploads
    ) -> None:
        self._jobs = jobs
        self._genres = genres
        self._upstreams = upstreams
        self._uploads = uploads

    async def CreateSong(
        self,
        request_iterator: AsyncIterator[song_pb2.CreateSongRequest],
        context: grpc.aio.ServicerContext[song_pb2.CreateSongRequest, song_pb2.CreateSongResponse],
    ) -> song_pb2.CreateSongResponse:
        """Answers once the job is safe."""
        call = context_of(context)
        async with self._uploads.received(request_iterator, wish_of) as (config, file):
            wish = (await self._genres.now()).applied(wish_of(config))
            voice = await worker.run(lambda cancelled: _checked_voice(file, cancelled))
            seed = config.seed if config.HasField("seed") else None
            order = Order(
                wish=wish,
                owner=call.key_id,
                level=call.priority,
                request_id=call.request_id,
                created=time.time(),
                seed=seed,
                seeds=dict.fromkeys(STEPS, drawn(seed)),
                voice=voice,
            )
            self._check_services(order)
            job = _id(call, config.idempotency_key)
            existed = await self._jobs.accept(job, order, voice=_parts(file))
        message = job_message(await self._jobs.get(job, call.key_id))
        return song_pb2.CreateSongResponse(job=message, existed=existed)

    async def RepeatSong(
        self,
        request: song_pb2.RepeatSongRequest,
        context: grpc.aio.ServicerContext[song_pb2.RepeatSongRequest, song_pb2.RepeatSongResponse],
    ) -> song_pb2.RepeatSongResponse:
        """Makes a step again, and what follows from it, as a job of its own."""
        call = context_of(context)
        if request.step not in _NAMES:
            raise InvalidRequest(f"step must be one of {', '.join(STEPS)}.", param="step")
        if len(request.idempotency_key) > MAX_KEY_CHARACTERS:
            raise InvalidRequest(
                f"The idempotency key may have {MAX_KEY_CHARACTERS} characters.",
                param="idempotency_key",
            )
        before = await self._jobs.get(request.job_id, call.key_id)
        if before.status != "succeeded":
            raise InvalidRequest(
                f"Only a song that is complete can be repeated; this one is {before.status}.",
                param="job_id",
            )
        seed = request.seed if request.HasField("seed") else None
        outputs = await self._jobs.outputs(before)
        order = again(before.order, before.id, outputs, _NAMES[request.step], seed).asked_by(
            call, time.time()
        )
        job = _id(call, request.idempotency_key)
        existed = await self._jobs.accept(job, order, source=self._jobs.folder(before.id))
        message = job_message(await self._jobs.get(job, call.key_id))
        return song_pb2.RepeatSongResponse(job=message, existed=existed)

    async def GetJob(
        self,
        request: song_pb2.GetJobRequest,
        context: grpc.aio.ServicerContext[song_pb2.GetJobRequest, song_pb2.GetJobResponse],
    ) -> song_pb2.GetJobResponse:
        """The job as it is."""
        job = await self._jobs.get(request.job_id, context_of(context).key_id)
        return song_pb2.GetJobResponse(job=job_message(job))

    async def ListJobs(
        self,
        request: song_pb2.ListJobsRequest,
        context: grpc.aio.ServicerContext[song_pb2.ListJobsRequest, song_pb2.ListJobsResponse],
    ) -> song_pb2.ListJobsResponse:
        """The jobs of the key that asks."""
        if not 0 <= request.limit <= MAX_PAGE:
            raise InvalidRequest(f"limit must be between 1 and {MAX_PAGE}.", param="limit")
        jobs, more = await self._jobs.page(
            context_of(context).key_id, request.limit or PAGE, request.after
        )
        return song_pb2.ListJobsResponse(jobs=map(job_message, jobs), has_more=more)

    async def WatchJob(
        self,
        request: song_pb2.WatchJobRequest,
        context: grpc.aio.ServicerContext[song_pb2.WatchJobRequest, song_pb2.WatchJobResponse],
    ) -> AsyncIterator[song_pb2.WatchJobResponse]:
        """The job at each change, until it has ended."""
        async for job in self._jobs.watch(request.job_id, context_of(context).key_id):
            yield song_pb2.WatchJobResponse(job=job_message(job))

    async def CancelJob(
        self,
        request: song_pb2.CancelJobRequest,
        context: grpc.aio.ServicerContext[song_pb2.CancelJobRequest, song_pb2.CancelJobResponse],
    ) -> song_pb2.CancelJobResponse:
        """Answers when nothing works on the job any more."""
        job = await self._jobs.cancel(request.job_id, context_of(context).key_id)
        return song_pb2.CancelJobResponse(job=job_message(job))

    async def ReadArtifact(
        self,
        request: song_pb2.ReadArtifactRequest,
        context: grpc.aio.ServicerContext[
            song_pb2.ReadArtifactRequest, song_pb2.ReadArtifactResponse
        ],
    ) -> AsyncIterator[song_pb2.ReadArtifactResponse]:
        """The file, what is said of it first."""
        job = await self._jobs.get(request.job_id, context_of(context).key_id)
        file, path = await asyncio.to_thread(self._jobs.folder(job.id).artifact, request.name)
        # Once it is open it can be read to its end, whatever expires meanwhile.
        with await asyncio.to_thread(path.open, "rb") as opened:
            yield song_pb2.ReadArtifactResponse(artifact=artifact_message(file))
            while data := await asyncio.to_thread(opened.read, _PART_BYTES):
                yield song_pb2.ReadArtifactResponse(data=data)

    def _check_services(self, order: Order) -> None:
        """Refuses what a service is missing for. Raises `InvalidRequest`."""
        if order.voice and not self._upstreams.has("emotion"):
            raise InvalidRequest(
                "This installation hears no moods; say one instead of sending a voice.",
                param="voice",
            )
        if "vocals" in order.steps and not self._upstreams.has("speech"):
            raise InvalidRequest(
                "This installation has no voice to sing with; ask for an instrumental.",
                param="instrumental",
            )


def _id(call: RequestContext, idempotency_key: str) -> str:
    if not idempotency_key:
        return f"song_{uuid.uuid4().hex}"
    return job_id(call.key_id, idempotency_key)


def _checked_voice(file: BinaryIO, cancelled: worker.Cancellation) -> str:
    """The SHA-256 of a recording; empty where there is none. Raises `InvalidAudio` and the like."""
    if not file.read(1):
        return ""
    try:
        voice = decode(file, _VOICE_RATE, AudioLimits(MAX_VOICE_SECONDS), lambda: cancelled.is_set)
        if float(np.abs(voice).max(initial=0.0)) < SOFTEST_VOICE:
            raise InvalidAudio("The recording is silent; speak, or say a mood instead.")
    except OrfeonError as error:
        error.param = "voice"
        raise
    file.seek(0)
    # `file_digest` wants a file with a descriptor, and small uploads have none.
    digest = hashlib.sha256()
    for part in _parts(file):
        digest.update(part)
    return digest.hexdigest()


def _parts(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while data := file.read(_PART_BYTES):
        yield data
