"""What was asked for: a job as its owner ordered it, kept as JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Method = Literal["", "full", "head"]
Split = Literal["", "speaker", "random"]


@dataclass(frozen=True, slots=True)
class Classifier:
    """What a classifier shall be; what is empty or None is the trainer's choice."""

    method: Method = ""
    classifies: str = ""
    labels: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    merge: Mapping[str, str] = field(default_factory=dict)
    split: Split = ""
    augment: bool | None = None
    speech: bool | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A job as it was asked for; what is None is the trainer's choice.

    `files` are the ids of its training file and, perhaps, of its validation file. `metadata` is
    the owner's own; None where none was given.
    """

    model: str
    files: tuple[str, ...]
    seed: int
    epochs: int | None = None
    batch_size: int | None = None
    rate: float | None = None
    suffix: str = ""
    classifier: Classifier = field(default_factory=Classifier)
    metadata: Mapping[str, str] | None = None
    request_id: str = ""
    priority: int = 2
    drawn: bool = False
    """Whether the seed was drawn, rather than asked for."""

    @property
    def training_file(self) -> str:
        """The file with examples."""
        return self.files[0]

    @property
    def validation_file(self) -> str:
        """The file with examples that are held out; empty for none."""
        return self.files[1] if len(self.files) > 1 else ""

    @property
    def fingerprint(self) -> str:
        """The same for the same wish, whoever sends it however often."""
        wish = asdict(self)
        for name in ("request_id", "priority", "drawn", *(["seed"] if self.drawn else [])):
            del wish[name]
        return hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """The order as it is kept."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Order":
        """The order as it was kept."""
        kept: dict[str, Any] = json.loads(text)
        chosen = kept.pop("classifier")
        chosen |= {name: tuple(chosen[name]) for name in ("labels", "drop")}
        return cls(**kept | {"files": tuple(kept["files"]), "classifier": Classifier(**chosen)})


def job_id(owner: str, idempotency_key: str) -> str:
    """The id of the job that a key of an owner names."""
    named = hashlib.sha256(f"{owner}\0{idempotency_key}".encode("utf-8", "surrogatepass"))
    return f"ftjob-{named.hexdigest()[:24]}"
