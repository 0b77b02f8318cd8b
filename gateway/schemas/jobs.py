"""Jobs: what is made in the background, and what has come of it. Routes of ours."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, Priority, ServiceTier

JobStatus = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
Step = Literal["emotion", "lyrics", "melody", "vocals", "mix"]


class AgainRequest(JsonRequest):
    """A step of a finished song to make again; what depends on it follows, the rest stays."""

    step: Step
    seed: Annotated[
        int | None,
        Field(ge=-(2**63), lt=2**63, description="For that step; without, another each time."),
    ] = None
    priority: Priority = None
    service_tier: ServiceTier = None


class JobError(TypedDict):
    """Why a job failed: for programs, and for people."""

    code: str
    message: str


class Artifact(TypedDict):
    """A file that can be fetched at `url` until the job expires."""

    name: str
    media_type: str
    bytes: int
    url: str


class SongFacts(TypedDict):
    """A song, as far as it is known; null is not known yet, or nobody's choice.

    `mood_probability` is there where the mood was heard in a voice. `duration` is in seconds,
    `tempo` in quarter notes per minute.
    """

    genre: str
    title: str | None
    artist: str | None
    mood: str | None
    mood_probability: float | None
    seed: int
    duration: float | None
    tempo: float | None
    key: str | None


class Job(TypedDict):
    """One job. Times are in Unix seconds.

    `step` is the one that is being made, or was the last, and `progress` the share of the whole, 0
    to 1. `queue_position` counts from 1 and is null outside of the queue, `estimated_seconds` are
    those until it is complete, null where nobody can tell.
    """

    id: str
    object: Literal["job"]
    status: JobStatus
    step: Step
    progress: float
    queue_position: int | None
    estimated_seconds: float | None
    priority: int
    created_at: int
    started_at: int | None
    ended_at: int | None
    expires_at: int | None
    repeated_from: str | None
    error: JobError | None
    song: SongFacts
    artifacts: list[Artifact]


class JobList(TypedDict):
    """The jobs of the key that asks, the newest first."""

    object: Literal["list"]
    data: list[Job]
    has_more: bool
