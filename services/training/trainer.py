"""The program that trains: what it is asked for, and what it tells."""

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.training.bases import Base
from services.training.folder import JobFolder
from services.training.order import Method, Order
from services.training.records import Failure, Note

#: The trainer of classifiers; what it needs beyond what this service does.
PROGRAM = (sys.executable, "-P", "-m", "services.emotion.training")
PACKAGES: Mapping[Method, Sequence[str]] = {
    "full": ("accelerate", "matplotlib", "sklearn", "tensorboardX", "torch", "transformers"),
    "head": ("matplotlib", "scipy", "sklearn", "threadpoolctl"),
}
#: A training that was begun goes on, whoever starts it again: this service, or Kubernetes.
_RESUMING = 'if [ -f "$0" ]; then exec "$@" --resume; else exec "$@"; fi'
#: Of its profile, which a multiplier is for.
LEARNING_RATE = 3e-5

#: The exit status that says that what it was asked for cannot be done.
MISUSE = 2
#: Of one event, and of all that are read at a time; what is longer is no event.
_MAX_LINE, _MAX_READ = 64 * 1024, 2**20
_MAX_MESSAGE = 2000
#: What messages call options of ours by the names that they have on the command line.
_OPTIONS = re.compile(r"--(classifies|method|labels|drop|merge|split|augment|speech)\b")
_LEVELS = {"info": "info", "warn": "warn", "error": "error"}


def command(
    program: Sequence[str],
    order: Order,
    base: Base,
    data: str,
    folder: JobFolder,
) -> list[str]:
    """What runs the trainer, from its beginning or from where it stopped."""
    chosen = order.classifier
    options: dict[str, Any] = {
        "--data": data,
        "--output": folder.output,
        "--work": folder.work,
        "--events": folder.events,
        "--base": base.source,
        "--method": base.method,
        "--seed": order.seed,
        "--epochs": order.epochs,
        "--batch": order.batch_size,
        "--accumulation": order.batch_size and 1,
        "--learning-rate": order.rate and LEARNING_RATE * order.rate,
        "--classifies": chosen.classifies,
        "--labels": ",".join(chosen.labels),
        "--drop": ",".join(chosen.drop),
        "--merge": ",".join(f"{old}={new}" for old, new in chosen.merge.items()),
        "--split": chosen.split,
    }
    listed = [f"{name}={value}" for name, value in options.items() if value not in (None, "")]
    for name, chosen_so in (("augment", chosen.augment), ("speech", chosen.speech)):
        if chosen_so is not None:
            listed.append(f"--{name}" if chosen_so else f"--no-{name}")
    return ["/bin/sh", "-c", _RESUMING, str(folder.begun), *program, *listed]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a trainer has told since: up to `place` in its events.

    `share` is how much is done, 0 to 1, None where nothing was said of it.
    """

    place: int
    notes: list[Note] = field(default_factory=list)
    share: float | None = None


def listen(path: Path, place: int, hidden: Sequence[Path]) -> Heard:
    """Reads the trainer's events from `place` on, whole lines alone.

    Paths below `hidden`, this machine's own affair, are left out of messages.
    """
    try:
        with path.open("rb") as file:
            file.seek(place)
            data = file.read(_MAX_READ)
    except FileNotFoundError:
        return Heard(place)
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and len(data) == _MAX_READ:
        whole = data  # Nobody ends such a line.
    notes: list[Note] = []
    share: float | None = None
    for line in whole.splitlines():
        event = _event(line)
        if event is None:
            continue
        notes.append(_note(event, hidden))
        share = _share(event, share)
    return Heard(place + len(whole), notes, share)


def failure_of(code: int, last: str) -> Failure:
    """Why a training failed that ended with `code`; `last` is the error that it told, if any."""
    if code == MISUSE and last:
        return Failure("invalid_training_file", last, "training_file")
    if last:
        return Failure("training_failed", last)
    if code in (-9, 137):
        return Failure(
            "out_of_memory",
            "The training was killed, most likely because memory ran out. Take a smaller "
            "batch_size, a smaller base or shorter recordings.",
        )
    if code == 0:
        return Failure("training_failed", "The training ended without a model.")
    return Failure(
        "training_failed",
        f"The training ended with status {code} and said nothing; whoever runs this installation "
        "finds its output in trainer.log.",
    )


def _event(line: bytes) -> Mapping[str, Any] | None:
    if len(line) > _MAX_LINE:
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("message"), str) else None


def _note(event: Mapping[str, Any], hidden: Sequence[Path]) -> Note:
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    kind = event.get("type")
    level: Any = _LEVELS.get(str(event.get("level")), "info")
    created = event.get("created_at")
    when = float(created) if isinstance(created, int | float) else None
    step = data.get("step")
    number = step if isinstance(step, int) else 0
    if kind == "checkpoint":
        return Note("", level, "checkpoint", number, _numbers(data.get("metrics")), when)
    if kind == "result":
        figures = _numbers(data.get("metrics"))
        return Note("The model is trained.", level, "event", 0, figures, when)
    message = event["message"]
    for path in hidden:
        message = message.replace(f"{path}/", "").replace(str(path), "the training file")
    message = _OPTIONS.sub(r"classifier.\1", message)
    figures = _numbers(data) if kind == "metrics" else {}
    return Note(message[:_MAX_MESSAGE], level, "event", number, figures, when)


def _numbers(data: Any) -> dict[str, float]:
    """The finite numbers of an object."""
    if not isinstance(data, dict):
        return {}
    return {
        str(name): float(value)
        for name, value in data.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _share(event: Mapping[str, Any], before: float | None) -> float | None:
    data = event.get("data")
    if event.get("type") != "metrics" or not isinstance(data, dict):
        return before
    step, total = data.get("step"), data.get("total_steps")
    if isinstance(step, int) and isinstance(total, int) and 0 < step <= total:
        return step / total
    return before
