"""Songs and the jobs that make them: what the client gives back, and the calls as values."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import quote

from orfeon.calls import Call, File, Upload


class WrittenSection(TypedDict):
    """A section of given lyrics: verse, chorus and so on, and its lines."""

    kind: str
    lines: list[str]


class SongWish(TypedDict, total=False):
    """A song to make. What is left out is the genre's choice, or nobody's.

    `artist` is an artist or a manner to write in, and the artist in the file; `mood` a label of
    emotion; `sections` kinds such as verse and chorus, of `lines` lines each; `lyrics` are to be
    sung as they are. `duration` is 10 to 180 seconds, `tempo` in quarter notes per minute, `key`
    such as `C major`. An `instrumental` has no voice. The same `seed` and wish give the same song.
    """

    genre: str
    title: str
    artist: str
    first_line: str
    theme: str
    mood: str
    language: str
    sections: list[str]
    lines: int
    lyrics: list[WrittenSection]
    duration: float
    tempo: float
    key: str
    instrumental: bool
    seed: int
    priority: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a job, of so many bytes."""

    name: str
    media_type: str
    bytes: int


@dataclass(frozen=True, slots=True)
class SongFacts:
    """A song, as far as it is known. `duration` is in seconds, `tempo` in quarter notes per minute.

    `mood_probability` is there where the mood was heard in a voice.
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


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: for programs, and for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """What is made in the background. Times are in Unix seconds.

    `status` is queued, in_progress, completed, failed or cancelled; `step` emotion, lyrics, melody,
    vocals or mix; `progress` 0 to 1. `queue_position` counts from 1 and is None outside of the
    queue; `estimated_seconds` are those until it is complete, None where nobody can tell.
    """

    id: str
    status: str
    step: str
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
    artifacts: tuple[Artifact, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing about it changes any more."""
        return self.status in ("completed", "failed", "cancelled")


def job_of(body: Mapping[str, Any]) -> Job:
    """Reads a job. Raises `KeyError`, `TypeError` for what is none."""
    simple = {
        name: body[name]
        for name in Job.__dataclass_fields__
        if name not in ("error", "song", "artifacts")
    }
    error = body["error"]
    song = {name: body["song"][name] for name in SongFacts.__dataclass_fields__}
    return Job(
        **simple,
        error=None if error is None else JobError(error["code"], error["message"]),
        song=SongFacts(**song),
        artifacts=tuple(
            Artifact(one["name"], one["media_type"], one["bytes"]) for one in body["artifacts"]
        ),
    )


def create(wish: SongWish, voice: File | None, idempotency_key: str | None) -> Call[Job]:
    """A song, in the mood of `voice` if there is one."""
    headers = _named(idempotency_key)
    if voice is None:
        return Call("POST", "songs", _job, json=wish, headers=headers)
    form = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in wish.items()
    }
    return Call(
        "POST", "songs", _job, form=form, uploads=(Upload(voice, "voice"),), headers=headers
    )


def again(job: str, step: str, seed: int | None, idempotency_key: str | None) -> Call[Job]:
    """A step of a finished song once more, and what follows from it."""
    body = {"step": step} if seed is None else {"step": step, "seed": seed}
    return Call("POST", f"{_path(job)}/again", _job, json=body, headers=_named(idempotency_key))


def get(job: str) -> Call[Job]:
    """A job as it is."""
    return Call("GET", _path(job), _job)


def page(limit: int, after: str | None) -> Call[list[Job]]:
    """Jobs, the newest first."""
    query = f"?limit={limit}" + (f"&after={quote(after, safe='')}" if after else "")
    return Call("GET", f"jobs{query}", lambda response: list(map(job_of, response.json()["data"])))


def shown(job: str) -> Call[Any]:
    """A job as the gateway says it."""
    return Call("GET", _path(job), lambda response: response.json())


def listed(limit: int) -> Call[Any]:
    """Jobs as the gateway says them."""
    return Call("GET", f"jobs?limit={limit}", lambda response: response.json())


def cancel(job: str) -> Call[Job]:
    """The end of a job."""
    return Call("DELETE", _path(job), _job)


def watch(job: str) -> Call[None]:
    """A job at each change, as events."""
    return Call("GET", f"{_path(job)}/events", lambda response: None)


def artifact(job: str, name: str) -> Call[bytes]:
    """A file of a job."""
    path = f"{_path(job)}/artifacts/{quote(name, safe='')}"
    return Call("GET", path, lambda response: response.content)


def _job(response: Any) -> Job:
    return job_of(response.json())


def _path(job: str) -> str:
    return f"jobs/{quote(job, safe='')}"


def _named(idempotency_key: str | None) -> dict[str, str]:
    # A call may be sent again, and what it asks for must not be made twice.
    return {"idempotency-key": idempotency_key or f"client-{secrets.token_hex(16)}"}
