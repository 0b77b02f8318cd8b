"""`/v1/jobs`: what is made in the background."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request
from starlette.responses import Response

from gateway.calls import named
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import EVENTS, failures
from gateway.ranges import asked_range, cut
from gateway.routes.songs import ACCEPTED, EXAMPLE, IdempotencyKey, accepted, background
from gateway.schemas.fields import Text
from gateway.schemas.jobs import AgainRequest, Job, JobList
from gateway.songcalls import SongCalls
from gateway.songs import ENDED, STEP_NUMBERS, job_of
from gateway.streaming import COMMENT, EventStream, FileStream, event, while_connected
from orfeon.api.song.v1 import song_pb2
from services.runtime.context import RequestContext
from services.runtime.errors import ServiceUnavailable

_ONE: dict[str, Any] = {"content": {"application/json": {"example": EXAMPLE}}}
_LIST: dict[str, Any] = {
    "content": {
        "application/json": {"example": {"object": "list", "data": [EXAMPLE], "has_more": False}}
    }
}
_FILE: dict[str, Any] = {
    "description": "The file.",
    "content": {
        "application/octet-stream": {
            "schema": {"type": "string", "format": "binary"},
            "example": "(the file)",
        }
    },
}
_PART: dict[str, Any] = {**_FILE, "description": "The part that `Range` asks for."}
_AGAIN = {"melody": {"summary": "Other music for the same lyrics", "value": {"step": "melody"}}}
_FAILURES = failures(400, 401, 403, 404, 500, 503, 504)

JobId = Annotated[Text, Path(alias="job_id", max_length=100, description="The job's id.")]
ArtifactName = Annotated[Text, Path(max_length=200, description="The artifact's name.")]


def jobs_router(gatekeeper: Gatekeeper, songs: SongCalls) -> APIRouter:
    """The routes of jobs."""
    router = APIRouter()
    looking = APIRouter(tags=["jobs"], route_class=Guard(gatekeeper, "song").route_class())
    asking = APIRouter(tags=["jobs"], route_class=Guard(gatekeeper, "song", "json").route_class())

    def context_of(request: Request) -> RequestContext:
        return gatekeeper.context(exchange_of(request.scope))

    @looking.get(
        "/v1/jobs",
        summary="List jobs",
        response_model=JobList,
        responses={200: _LIST, **_FAILURES},
    )
    async def list_jobs(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: Annotated[
            Text, Query(max_length=100, description="Those after this job in the list.")
        ] = "",
    ) -> JobList:
        """The jobs of the key that asks, the newest first."""
        page = await songs.page(limit, after, context_of(request))
        return {
            "object": "list",
            "data": [job_of(job) for job in page.jobs],
            "has_more": page.has_more,
        }

    @looking.get(
        "/v1/jobs/{job_id}",
        summary="Show a job",
        response_model=Job,
        responses={200: _ONE, **_FAILURES},
    )
    async def show_job(request: Request, job: JobId) -> Job:
        """How far it is, and what there is to fetch."""
        return job_of(await songs.get(job, context_of(request)))

    @looking.get(
        "/v1/jobs/{job_id}/events",
        summary="Watch a job",
        response_class=Response,
        responses={200: EVENTS, **_FAILURES},
    )
    async def watch_job(request: Request, job: JobId) -> Response:
        """The job as it is, and again at each change, as server-sent events; `[DONE]` once it has
        ended. Whoever comes back sees it as it is then.
        """
        # As long as the job, however long that is.
        context = replace(context_of(request), deadline=None)
        return EventStream(_events(lambda: songs.watch(job, context)))

    @looking.delete(
        "/v1/jobs/{job_id}",
        summary="Cancel a job",
        response_model=Job,
        responses={200: _ONE, **_FAILURES},
    )
    async def cancel_job(request: Request, job: JobId) -> Job:
        """Ends it and removes its files; answers when nothing works on it any more. A job that
        has ended stays as it is.
        """
        return job_of(await songs.cancel(job, context_of(request)))

    @asking.post(
        "/v1/jobs/{job_id}/again",
        summary="Make a step again",
        status_code=202,
        response_model=Job,
        responses={202: ACCEPTED, **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)},
    )
    async def repeat_job(
        request: Request,
        job: JobId,
        body: Annotated[AgainRequest, Body(openapi_examples=_AGAIN)],
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """A step of a finished song with another seed, and what depends on it, as a new job; what
        came before that step stays.
        """
        context = background(gatekeeper, exchange_of(request.scope), body)
        asked = song_pb2.RepeatSongRequest(
            job_id=job,
            step=STEP_NUMBERS[body.step],
            seed=body.seed,
            idempotency_key=named(idempotency_key),
        )
        async with while_connected(request.receive):
            return accepted(await songs.again(asked, context))

    @looking.get(
        "/v1/jobs/{job_id}/artifacts/{name}",
        summary="Fetch an artifact",
        response_class=Response,
        responses={200: _FILE, 206: _PART, **_FAILURES},
    )
    async def fetch_artifact(
        request: Request,
        job: JobId,
        name: ArtifactName,
        asked: Annotated[
            str | None,
            Header(alias="range", description="A part of it, such as `bytes=0-1023`."),
        ] = None,
    ) -> Response:
        """A file of a job, or the part of it that a player goes to."""
        pieces = songs.read(job, name, context_of(request))
        artifact = (await anext(pieces)).artifact
        # Files have no names of their versions, so nobody can ask for a part of the same version.
        whole = "if-range" in request.headers
        part = None if whole else asked_range(asked, artifact.bytes)
        if part is None:
            file = FileStream(_data(pieces), artifact.media_type, artifact.bytes)
        else:
            file = FileStream(cut(_data(pieces), part), artifact.media_type, len(part))
            file.status_code = 206
            place = f"bytes {part.start}-{part.stop - 1}/{artifact.bytes}"
            file.headers["content-range"] = place
        file.headers["accept-ranges"] = "bytes"
        file.headers["content-disposition"] = f'attachment; filename="{artifact.name}"'
        return file

    for part in (looking, asking):
        router.routes.extend(part.routes)
    return router


async def _events(
    watch: Callable[[], AsyncGenerator[song_pb2.WatchJobResponse, None]],
) -> AsyncGenerator[bytes, None]:
    """A job at each change. A service that goes and comes back is asked again: it has the job."""
    seen: Job | None = None
    while seen is None or seen["status"] not in ENDED:
        begun = False
        try:
            async with aclosing(watch()) as pieces:
                async for piece in pieces:
                    begun = True
                    job = job_of(piece.job)
                    yield event(job) if job != seen else COMMENT
                    seen = job
        except ServiceUnavailable:
            if not begun:
                raise


async def _data(
    pieces: AsyncGenerator[song_pb2.ReadArtifactResponse, None],
) -> AsyncGenerator[bytes, None]:
    """The bytes; the last of them once the service has ended its answer."""
    held = b""
    async with aclosing(pieces):
        async for piece in pieces:
            if held:
                yield held
            held = piece.data
    yield held
