"""Files and jobs <-> messages of the contract."""

import secrets
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from orfeon.api.training.v1 import training_pb2
from services.runtime.context import RequestContext
from services.runtime.errors import InvalidRequest
from services.training.files import KeptFile
from services.training.order import Classifier, Order
from services.training.records import Job, Level, Note, Status

_STATUS: Mapping[Status, "training_pb2.JobStatus.ValueType"] = {
    "validating_files": training_pb2.JOB_STATUS_VALIDATING_FILES,
    "queued": training_pb2.JOB_STATUS_QUEUED,
    "running": training_pb2.JOB_STATUS_RUNNING,
    "succeeded": training_pb2.JOB_STATUS_SUCCEEDED,
    "failed": training_pb2.JOB_STATUS_FAILED,
    "cancelled": training_pb2.JOB_STATUS_CANCELLED,
    "paused": training_pb2.JOB_STATUS_PAUSED,
}
_LEVELS: Mapping[Level, "training_pb2.Level.ValueType"] = {
    "info": training_pb2.LEVEL_INFO,
    "warn": training_pb2.LEVEL_WARN,
    "error": training_pb2.LEVEL_ERROR,
}

MAX_SUFFIX = 64
MAX_LABELS, MAX_LABEL = 256, 64
_MAX_NOTES, _MAX_NOTE_NAME, _MAX_NOTE = 16, 64, 512


def order_of(config: training_pb2.JobConfig, call: RequestContext) -> Order:
    """What a request asks for. Raises `InvalidRequest`."""
    if not config.training_file:
        raise InvalidRequest("training_file must name a file.", param="training_file")
    if len(config.suffix) > MAX_SUFFIX:
        raise InvalidRequest(f"suffix may have {MAX_SUFFIX} characters.", param="suffix")
    check_notes(config.metadata)
    chosen = config.hyperparameters
    drawn = not config.HasField("seed")
    epochs = chosen.epochs if chosen.HasField("epochs") else None
    batch = chosen.batch_size if chosen.HasField("batch_size") else None
    rate = chosen.learning_rate_multiplier if chosen.HasField("learning_rate_multiplier") else None
    _check_range("n_epochs", epochs, 1, 50)
    _check_range("batch_size", batch, 1, 256)
    _check_range("learning_rate_multiplier", rate, 1e-6, 1e4)
    _check_range("seed", None if drawn else config.seed, 0, 2**31 - 1)
    return Order(
        model=config.model,
        files=tuple(filter(None, (config.training_file, config.validation_file))),
        seed=secrets.randbits(31) if drawn else config.seed,
        epochs=epochs,
        batch_size=batch,
        rate=rate,
        suffix=config.suffix,
        classifier=_classifier(config.classifier),
        metadata=dict(config.metadata) if config.has_metadata else None,
        request_id=call.request_id,
        priority=call.priority,
        drawn=drawn,
    )


def _classifier(options: training_pb2.ClassifierOptions) -> Classifier:
    for name, value, known in (
        ("method", options.method, ("", "full", "head")),
        ("split", options.split, ("", "speaker", "random")),
    ):
        if value not in known:
            raise InvalidRequest(
                f"classifier.{name} must be {' or '.join(known[1:])}.", param=f"classifier.{name}"
            )
    merge = dict(options.merge)
    for field, labels in (
        ("labels", options.labels),
        ("drop", options.drop),
        ("merge", [*merge, *merge.values()]),
        ("classifies", [options.classifies] if options.classifies else []),
    ):
        _check_labels(field, list(labels))
    chosen: dict[str, Any] = {"method": options.method, "split": options.split}
    return Classifier(
        **chosen,
        classifies=options.classifies,
        labels=tuple(options.labels),
        drop=tuple(options.drop),
        merge=merge,
        augment=options.augment if options.HasField("augment") else None,
        speech=options.speech if options.HasField("speech") else None,
    )


def _check_labels(field: str, labels: list[str]) -> None:
    if len(labels) > MAX_LABELS:
        raise InvalidRequest(
            f"classifier.{field} may have {MAX_LABELS} entries.", param=f"classifier.{field}"
        )
    for label in labels:
        # The trainer is given them in one line.
        bad = not label.strip() or len(label) > MAX_LABEL or any(sign in label for sign in ",=\n\0")
        if bad:
            raise InvalidRequest(
                f"classifier.{field}: a label has 1 to {MAX_LABEL} characters, and no comma, "
                "'=' or new line.",
                param=f"classifier.{field}",
            )


def check_notes(notes: Mapping[str, str]) -> None:
    """Raises `InvalidRequest` where there are too many notes, or too long ones."""
    too_long = any(len(k) > _MAX_NOTE_NAME or len(v) > _MAX_NOTE for k, v in notes.items())
    if len(notes) > _MAX_NOTES or too_long:
        raise InvalidRequest(
            f"metadata may have {_MAX_NOTES} entries, with names of {_MAX_NOTE_NAME} and values "
            f"of {_MAX_NOTE} characters.",
            param="metadata",
        )


def _check_range(name: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidRequest(f"{name} must be between {least:g} and {most:.10g}.", param=name)


def file_message(file: KeptFile) -> training_pb2.File:
    """A file."""
    return training_pb2.File(
        id=file.id,
        bytes=file.bytes,
        created=_moment(file.created),
        expires=_moment(file.expires),
        filename=file.filename,
        purpose=file.purpose,
    )


def job_message(job: Job) -> training_pb2.Job:
    """A job."""
    error = None
    if job.failure is not None:
        error = training_pb2.JobError(
            code=job.failure.code, message=job.failure.message, param=job.failure.param
        )
    return training_pb2.Job(
        id=job.id,
        config=_config(job.order),
        status=_STATUS[job.status],
        created=_moment(job.created),
        finished=_moment(job.finished),
        estimated_finish=_moment(job.estimate),
        fine_tuned_model=job.model if job.status == "succeeded" else "",
        result_files=job.results,
        error=error,
    )


def _config(order: Order) -> training_pb2.JobConfig:
    chosen = order.classifier
    return training_pb2.JobConfig(
        model=order.model,
        training_file=order.training_file,
        validation_file=order.validation_file,
        hyperparameters=training_pb2.Hyperparameters(
            epochs=order.epochs,
            batch_size=order.batch_size,
            learning_rate_multiplier=order.rate,
        ),
        suffix=order.suffix,
        seed=order.seed,
        classifier=training_pb2.ClassifierOptions(
            method=chosen.method,
            classifies=chosen.classifies,
            labels=chosen.labels,
            drop=chosen.drop,
            merge=chosen.merge,
            split=chosen.split,
            augment=chosen.augment,
            speech=chosen.speech,
        ),
        metadata=order.metadata or {},
        has_metadata=order.metadata is not None,
    )


def event_message(note: Note) -> training_pb2.Event:
    """Something that happened."""
    return training_pb2.Event(
        id=note.id,
        created=_moment(note.created),
        level=_LEVELS[note.level],
        message=note.message,
        metrics=note.metrics,
    )


def checkpoint_message(note: Note) -> training_pb2.Checkpoint:
    """A checkpoint."""
    return training_pb2.Checkpoint(
        id=note.id, created=_moment(note.created), step=note.step, metrics=note.metrics
    )


def _moment(seconds: float | None) -> Timestamp | None:
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp
