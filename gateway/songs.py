"""Songs and jobs: bodies -> messages of the contract -> what the public sees."""

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.schemas.jobs import Artifact, Job, JobStatus, SongFacts, Step
from gateway.schemas.songs import SongRequest
from orfeon.api.song.v1 import song_pb2

STEPS: dict["song_pb2.Step.ValueType", Step] = {
    song_pb2.STEP_EMOTION: "emotion",
    song_pb2.STEP_LYRICS: "lyrics",
    song_pb2.STEP_MELODY: "melody",
    song_pb2.STEP_VOCALS: "vocals",
    song_pb2.STEP_MIX: "mix",
}
STEP_NUMBERS = {name: number for number, name in STEPS.items()}
_STATUS: dict["song_pb2.JobStatus.ValueType", JobStatus] = {
    song_pb2.JOB_STATUS_QUEUED: "queued",
    song_pb2.JOB_STATUS_RUNNING: "in_progress",
    song_pb2.JOB_STATUS_SUCCEEDED: "completed",
    song_pb2.JOB_STATUS_FAILED: "failed",
    song_pb2.JOB_STATUS_CANCELLED: "cancelled",
}
#: Those that a job stays in.
ENDED = ("completed", "failed", "cancelled")

#: Fields that have one name here and in the contract.
_TEXTS = ("genre", "title", "artist", "first_line", "theme", "mood", "language", "key")


def config_of(body: SongRequest, idempotency_key: str) -> song_pb2.SongConfig:
    """What the song service is asked for."""
    return song_pb2.SongConfig(
        **{name: getattr(body, name) for name in _TEXTS},
        sections=body.sections,
        lines=body.lines or 0,
        duration_seconds=body.duration,
        tempo=body.tempo or 0.0,
        seed=body.seed,
        instrumental=bool(body.instrumental),
        lyrics=[
            song_pb2.WrittenSection(kind=section.kind, lines=section.lines)
            for section in body.lyrics or ()
        ],
        idempotency_key=idempotency_key,
    )


def job_of(job: song_pb2.Job) -> Job:
    """A job, as the public sees it."""
    estimate = job.estimated_seconds if job.HasField("estimated_seconds") else None
    return {
        "id": job.id,
        "object": "job",
        "status": _STATUS[job.status],
        "step": STEPS[job.step],
        "progress": round(job.progress, 4),
        "queue_position": job.queue_position or None,
        "estimated_seconds": None if estimate is None else round(estimate, 1),
        "priority": job.priority,
        "created_at": job.created.seconds,
        "started_at": _moment(job, "started"),
        "ended_at": _moment(job, "ended"),
        "expires_at": _moment(job, "expires"),
        "repeated_from": job.repeated_from or None,
        "error": {"code": job.error_code, "message": job.error_message} if job.error_code else None,
        "song": _song(job.song),
        "artifacts": [_artifact(job.id, one) for one in job.artifacts],
    }


def _moment(job: song_pb2.Job, name: str) -> int | None:
    if not job.HasField(name):  # type: ignore[arg-type]
        return None
    moment: Timestamp = getattr(job, name)
    return moment.seconds


def _artifact(job: str, artifact: song_pb2.Artifact) -> Artifact:
    return {
        "name": artifact.name,
        "media_type": artifact.media_type,
        "bytes": artifact.bytes,
        "url": f"/v1/jobs/{job}/artifacts/{artifact.name}",
    }


def _song(song: song_pb2.SongFacts) -> SongFacts:
    return {
        "genre": song.genre,
        "title": song.title or None,
        "artist": song.artist or None,
        "mood": song.mood or None,
        "mood_probability": round(song.mood_probability, 4) or None,
        "seed": song.seed,
        "duration": round(song.duration_seconds, 3) or None,
        "tempo": round(song.tempo, 1) or None,
        "key": song.key or None,
    }
