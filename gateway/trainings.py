"""Files and fine-tuning jobs: OpenAI's JSON <-> messages of the contract."""

from typing import Any, Literal

from gateway.schemas.files import FileRequest, StoredFile
from gateway.schemas.fine_tuning import (
    FineTuningJob,
    FineTuningRequest,
    Hyper,
    Hyperparameters,
    JobCheckpoint,
    JobClassifier,
    JobEvent,
)
from orfeon.api.training.v1 import training_pb2

_STATUS = {
    number: name.removeprefix("JOB_STATUS_").lower()
    for name, number in training_pb2.JobStatus.items()
}
_LEVEL = {
    number: name.removeprefix("LEVEL_").lower() for name, number in training_pb2.Level.items()
}


def file_config(body: FileRequest, filename: str) -> training_pb2.FileConfig:
    """What the service is told of a file."""
    return training_pb2.FileConfig(
        filename=filename,
        purpose=body.purpose,
        expires_after_seconds=body.expires_after.seconds if body.expires_after else 0,
    )


def file_of(file: training_pb2.File) -> StoredFile:
    """A file."""
    purpose: Any = file.purpose
    stored: StoredFile = {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created.seconds,
        "filename": file.filename,
        "purpose": purpose,
        "status": "processed",
    }
    if file.HasField("expires"):
        stored["expires_at"] = file.expires.seconds
    return stored


def config_of(body: FineTuningRequest, idempotency_key: str) -> training_pb2.JobConfig:
    """What the service is asked for."""
    config = training_pb2.JobConfig(
        model=body.model,
        training_file=body.training_file,
        validation_file=body.validation_file or "",
        hyperparameters=_hyperparameters(body),
        suffix=body.suffix or "",
        seed=body.seed,
        metadata=body.metadata,
        has_metadata=body.metadata is not None,
        idempotency_key=idempotency_key,
    )
    if (chosen := body.classifier) is not None:
        config.classifier.CopyFrom(
            training_pb2.ClassifierOptions(
                method=chosen.method or "",
                classifies=chosen.classifies or "",
                labels=chosen.labels,
                drop=chosen.drop,
                merge=chosen.merge,
                split=chosen.split or "",
                augment=chosen.augment,
                speech=chosen.speech,
            )
        )
    return config


def _hyperparameters(body: FineTuningRequest) -> training_pb2.Hyperparameters:
    supervised = body.method.supervised if body.method else None
    chosen = supervised.hyperparameters if supervised else None
    chosen = chosen or body.hyperparameters or Hyperparameters()
    epochs, batch, rate = chosen.n_epochs, chosen.batch_size, chosen.learning_rate_multiplier
    return training_pb2.Hyperparameters(
        epochs=None if epochs == "auto" else epochs,
        batch_size=None if batch == "auto" else batch,
        learning_rate_multiplier=None if rate == "auto" else rate,
    )


def job_of(job: training_pb2.Job) -> FineTuningJob:
    """A job."""
    config = job.config
    hyper = _hyper(config.hyperparameters)
    status: Any = _STATUS[job.status]
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "model": config.model,
        "created_at": job.created.seconds,
        "finished_at": _moment(job, "finished"),
        "estimated_finish": _moment(job, "estimated_finish"),
        "fine_tuned_model": job.fine_tuned_model or None,
        "organization_id": "",
        "result_files": list(job.result_files),
        "status": status,
        "training_file": config.training_file,
        "validation_file": config.validation_file or None,
        "hyperparameters": hyper,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyper}},
        "trained_tokens": None,
        "error": {
            "code": job.error.code,
            "message": job.error.message,
            "param": job.error.param or None,
        }
        if job.HasField("error")
        else None,
        "seed": config.seed,
        "integrations": [],
        "metadata": dict(config.metadata) if config.has_metadata else None,
        "classifier": _classifier(config.classifier),
    }


def _hyper(chosen: training_pb2.Hyperparameters) -> Hyper:
    given = {field.name: value for field, value in chosen.ListFields()}
    return {
        "n_epochs": given.get("epochs", "auto"),
        "batch_size": given.get("batch_size", "auto"),
        "learning_rate_multiplier": given.get("learning_rate_multiplier", "auto"),
    }


def _classifier(chosen: training_pb2.ClassifierOptions) -> JobClassifier:
    method: Any = chosen.method or None
    split: Any = chosen.split or None
    return {
        "method": method,
        "classifies": chosen.classifies or None,
        "labels": list(chosen.labels),
        "drop": list(chosen.drop),
        "merge": dict(chosen.merge),
        "split": split,
        "augment": chosen.augment if chosen.HasField("augment") else None,
        "speech": chosen.speech if chosen.HasField("speech") else None,
    }


def event_of(event: training_pb2.Event) -> JobEvent:
    """Something that happened in a job."""
    level: Any = _LEVEL[event.level]
    return {
        "object": "fine_tuning.job.event",
        "id": event.id,
        "created_at": event.created.seconds,
        "level": level,
        "message": event.message,
        "type": "metrics" if event.metrics else "message",
        "data": dict(event.metrics),
    }


def checkpoint_of(checkpoint: training_pb2.Checkpoint, job: str) -> JobCheckpoint:
    """A checkpoint of a job."""
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": checkpoint.id,
        "created_at": checkpoint.created.seconds,
        "fine_tuned_model_checkpoint": f"{job}:ckpt-step-{checkpoint.step}",
        "fine_tuning_job_id": job,
        "step_number": checkpoint.step,
        "metrics": dict(checkpoint.metrics),
    }


def _moment(job: training_pb2.Job, name: Literal["finished", "estimated_finish"]) -> int | None:
    if not job.HasField(name):
        return None
    seconds: int = getattr(job, name).seconds
    return seconds
