"""What the client gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One label and its probability, 0 to 1."""

    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """What was heard in a recording.

    `labels` holds every label, best first; the scores sum to 1. `duration` is in seconds.
    """

    model: str
    duration: float
    labels: tuple[LabelScore, ...]

    @property
    def best(self) -> LabelScore:
        """The most likely label."""
        return self.labels[0]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice for speech synthesis; `id` is what a request's `voice` takes."""

    id: str
    model: str
    language: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model and what it can do.

    `created` is in Unix seconds, `resident_bytes` is 0 while it is not in memory, `state` is
    unloaded, loading, loaded, failed or unknown.
    """

    id: str
    created: int
    owned_by: str
    capability: str
    tasks: tuple[str, ...]
    aliases: tuple[str, ...]
    default: bool
    state: str
    resident_bytes: int
    context_length: int | None
    languages: tuple[str, ...]
    voices: tuple[str, ...]
    labels: tuple[str, ...]
    licence: str


def classification(body: Mapping[str, Any]) -> Classification:
    """Reads the answer of `/v1/audio/classifications`."""
    labels = (LabelScore(str(row["label"]), float(row["score"])) for row in body["labels"])
    return Classification(str(body["model"]), float(body["duration"]), tuple(labels))


def voices(body: Mapping[str, Any]) -> list[Voice]:
    """Reads the answer of `/v1/audio/voices`."""
    return [Voice(row["id"], row["model"], row.get("language", "")) for row in body["data"]]


def models(body: Mapping[str, Any]) -> list[Model]:
    """Reads the answer of `/v1/models`. What an older gateway does not say is left empty."""
    return [_model(row, row.get("capabilities", {})) for row in body["data"]]


def _model(row: Mapping[str, Any], does: Mapping[str, Any]) -> Model:
    return Model(
        id=row["id"],
        created=row["created"],
        owned_by=row["owned_by"],
        capability=does.get("capability", ""),
        tasks=tuple(does.get("tasks", ())),
        aliases=tuple(does.get("aliases", ())),
        default=does.get("default", False),
        state=does.get("state", "unknown"),
        resident_bytes=does.get("resident_bytes", 0),
        context_length=does.get("context_length"),
        languages=tuple(does.get("languages", ())),
        voices=tuple(does.get("voices", ())),
        labels=tuple(does.get("labels", ())),
        licence=does.get("licence", ""),
    )
