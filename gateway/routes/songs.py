"""`/v1/songs`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from starlette.responses import JSONResponse, Response

from gateway.bodies import body_of, documented
from gateway.calls import named
from gateway.exchange import Exchange, exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import failures
from gateway.schemas.jobs import Job
from gateway.schemas.songs import SongRequest
from gateway.songcalls import SongCalls
from gateway.songs import config_of, job_of
from gateway.streaming import while_connected
from gateway.uploads import Recording
from orfeon.api.song.v1 import song_pb2
from services.runtime.context import BACKGROUND, RequestContext

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Names the request: sent again with the same key, up to 255 characters, it "
        "gives the same job.",
    ),
]

EXAMPLE: Job = {
    "id": "song_5f0c9a41d2c84e6b9d5a3f6e7c8b9a01",
    "object": "job",
    "status": "in_progress",
    "step": "melody",
    "progress": 0.41,
    "queue_position": None,
    "estimated_seconds": 21.5,
    "priority": 2,
    "created_at": 1_790_000_000,
    "started_at": 1_790_000_001,
    "ended_at": None,
    "expires_at": None,
    "repeated_from": None,
    "error": None,
    "song": {
        "genre": "rock",
        "title": "Leaving Town",
        "artist": None,
        "mood": "happy",
        "mood_probability": None,
        "seed": 7,
        "duration": None,
        "tempo": None,
        "key": None,
    },
    "artifacts": [
        {
            "name": "lyrics.txt",
            "media_type": "text/plain; charset=utf-8",
            "bytes": 812,
            "url": "/v1/jobs/song_5f0c9a41d2c84e6b9d5a3f6e7c8b9a01/artifacts/lyrics.txt",
        }
    ],
}
ACCEPTED: dict[str, Any] = {
    "description": "The job, which goes on in the background.",
    "headers": {"location": {"description": "Where it can be seen.", "schema": {"type": "string"}}},
    "content": {"application/json": {"example": EXAMPLE}},
}
_EXAMPLES = {
    "song": {
        "summary": "A rock song, sung",
        "value": {
            "genre": "rock",
            "title": "Leaving Town",
            "first_line": "I packed my bag at midnight",
            "sections": ["verse", "chorus", "verse"],
            "seed": 7,
        },
    },
    "instrumental": {
        "summary": "Half a minute without a voice, for lyrics of one's own",
        "value": {
            "genre": "pop",
            "instrumental": True,
            "duration": 30,
            "lyrics": [{"kind": "verse", "lines": ["I still set two cups in the morning"]}],
        },
    },
}


def songs_router(gatekeeper: Gatekeeper, songs: SongCalls) -> APIRouter:
    """The route of songs."""
    guard = Guard(gatekeeper, "song", "json or form")
    router = APIRouter(route_class=guard.route_class(), tags=["songs"])

    @router.post(
        "/v1/songs",
        summary="Make a song",
        status_code=202,
        response_model=Job,
        responses={
            202: ACCEPTED,
            **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504, 507),
        },
        openapi_extra=documented(
            SongRequest, "A voice whose mood the song shall have.", _EXAMPLES, "voice"
        ),
    )
    async def create_song(
        request: Request,
        asked: Annotated[
            tuple[SongRequest, Recording | None], Depends(body_of(SongRequest, "voice"))
        ],
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Lyrics, music and a voice that sings them, made in the background: a job. Priority 2
        unless another is asked for.
        """
        body, voice = asked
        context = background(gatekeeper, exchange_of(request.scope), body)
        config = config_of(body, named(idempotency_key))

        async with while_connected(request.receive):
            return accepted(await songs.create(config, voice, context))

    return router


def background(gatekeeper: Gatekeeper, exchange: Exchange, body: Any) -> RequestContext:
    """The context of a request that is in the background unless it says otherwise."""
    unsaid = body.priority is None and body.service_tier is None
    return gatekeeper.context(exchange, BACKGROUND if unsaid else body.priority, body.service_tier)


def accepted(job: song_pb2.Job) -> Response:
    """The answer to whoever asked for a job."""
    return JSONResponse(job_of(job), 202, {"location": f"/v1/jobs/{job.id}"})
