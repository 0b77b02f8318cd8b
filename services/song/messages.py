"""Jobs as messages of the contract."""

from collections.abc import Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from orfeon.api.song.v1 import song_pb2
from services.song.folder import ArtifactFile
from services.song.jobs import Job, Status

STEPS: Mapping[str, "song_pb2.Step.ValueType"] = {
    "emotion": song_pb2.STEP_EMOTION,
    "lyrics": song_pb2.STEP_LYRICS,
    "melody": song_pb2.STEP_MELODY,
    "vocals": song_pb2.STEP_VOCALS,
    "mix": song_pb2.STEP_MIX,
}
_STATUS: Mapping[Status, "song_pb2.JobStatus.ValueType"] = {
    "queued": song_pb2.JOB_STATUS_QUEUED,
    "running": song_pb2.JOB_STATUS_RUNNING,
    "succeeded": song_pb2.JOB_STATUS_SUCCEEDED,
    "failed": song_pb2.JOB_STATUS_FAILED,
    "cancelled": song_pb2.JOB_STATUS_CANCELLED,
}


def job_message(job: Job) -> song_pb2.Job:
    """A job."""
    error = job.error or {}
    return song_pb2.Job(
        id=job.id,
        status=_STATUS[job.status],
        step=STEPS[job.step],
        progress=job.progress,
        queue_position=job.position,
        estimated_seconds=job.left,
        created=_moment(job.order.created),
        started=_moment(job.started),
        ended=_moment(job.ended),
        expires=_moment(job.expires),
        priority=job.order.level,
        error_code=error.get("code", ""),
        error_message=error.get("message", ""),
        artifacts=[artifact_message(file) for file in job.artifacts],
        song=_facts(job),
        repeated_from=job.order.repeated_from,
    )


def artifact_message(file: ArtifactFile) -> song_pb2.Artifact:
    """What is said of a file."""
    return song_pb2.Artifact(name=file.name, media_type=file.media_type, bytes=file.bytes)


def _facts(job: Job) -> song_pb2.SongFacts:
    wish, facts = job.order.wish, job.facts
    return song_pb2.SongFacts(
        genre=wish.genre,
        title=wish.title,
        artist=wish.artist,
        mood=wish.mood or facts.get("mood", ""),
        mood_probability=0.0 if wish.mood else facts.get("mood_probability", 0.0),
        seed=job.order.seeds[job.order.made[0]],
        duration_seconds=facts.get("duration_seconds", 0.0),
        tempo=facts.get("tempo", 0.0),
        key=facts.get("key", ""),
    )


def _moment(seconds: float | None) -> Timestamp | None:
    if seconds is None:
        return None
    moment = Timestamp()
    moment.FromMilliseconds(round(seconds * 1000))
    return moment
