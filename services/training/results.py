"""What a job leaves beside its model: its figures, as files for its owner."""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.training.files import Files
from services.training.records import Job

_FIGURES = "metrics.json"
_MAX_BYTES = 16 * 2**20


def result_files(files: Files, job: Job, model: Path) -> tuple[str, ...]:
    """Keeps a model's figures as JSON and as a table; the ids of the files. Blocks.

    They are made once, however often it is asked.
    """
    try:
        data = (model / _FIGURES).read_bytes()
        figures = json.loads(data) if len(data) <= _MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return ()
    if figures is None:
        return ()
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("metric", "value"))
    writer.writerows(_flat("", figures))
    made = {"metrics.csv": table.getvalue().encode(), "metrics.json": data}
    return tuple(
        files.publish(_id(job.id, name), job.owner, f"{job.model}-{name}", content).id
        for name, content in made.items()
    )


def _id(job: str, name: str) -> str:
    return f"file-{hashlib.sha256(f'{job}/{name}'.encode()).hexdigest()[:24]}"


def _flat(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """The numbers in it, each with its path."""
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        if math.isfinite(value):
            yield name, value
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in pairs:
            yield from _flat(f"{name}.{key}" if name else str(key), each)
