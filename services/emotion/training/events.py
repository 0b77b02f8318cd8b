"""What a training tells other programs: JSON lines that `--events FILE` appends.

Every line is one object, written at once and flushed, so that whoever follows the file reads whole
lines. A training that goes on with `--resume` appends to the same file.

    {"created_at": 1789000000, "level": "info", "type": "message", "message": "...", "data": {}}

`created_at`
    Unix seconds, an integer.
`level`
    `info`, `warn` (what was skipped, splits that flatter) or `error` (why the training failed; the
    last line then).
`message`
    One sentence for people. Holds no path but that of the result.
`type` and `data`
    `message`
        Nothing more to it: `{}`.
    `metrics`
        Numbers of a step: `step`, `total_steps` (updates of a network's weights, or clips that
        were listened to for a head; integers), and of these what is known: `epoch` (a fraction),
        `train_loss`, `learning_rate`; at the end of an
        evaluation `valid_loss`, `accuracy`, `uar` (unweighted average recall) and `f1` (macro),
        of the clips held out to choose by.
    `checkpoint`
        `step`, `path` (the folder; it may be gone once there are newer and better ones) and
        `metrics`, as above, of the last evaluation; `{}` before the first.
    `result`
        The last line of a training that ended well: `model` (its name), `path` (its folder),
        `trained_clips`, `metrics` (those of metrics.json: `accuracy`, `uar`, `f1` of the part that
        is named in `part`).

A process that ends with 0 has written a `result`, one that was interrupted (130) a `checkpoint`
and a `message`; 2 stands for a misuse and 1 for a failure, both with an `error`, unless the command
line itself could not be read. One that was killed has written nothing of it.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

Level = Literal["info", "warn", "error"]
Kind = Literal["message", "metrics", "checkpoint", "result"]


class Events:
    """Appends lines to `path`; without one it tells nobody. `clock` gives Unix seconds."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def message(self, text: str, level: Level = "info") -> None:
        """Something to know."""
        self._tell(level, "message", text, {})

    def metrics(self, text: str, numbers: Mapping[str, float]) -> None:
        """Numbers of a step."""
        self._tell("info", "metrics", text, numbers)

    def checkpoint(self, step: int, path: Path, numbers: Mapping[str, float]) -> None:
        """A checkpoint that a training can go on from."""
        data = {"step": step, "path": str(path), "metrics": dict(numbers)}
        self._tell("info", "checkpoint", f"Checkpoint of step {step}.", data)

    def result(self, folder: Path, trained: int, part: str, numbers: Mapping[str, float]) -> None:
        """The model is there, trained on so many clips."""
        data = {
            "model": folder.name, "path": str(folder), "trained_clips": trained, "part": part,
            "metrics": dict(numbers),
        }  # fmt: skip
        self._tell("info", "result", f"The model {folder.name} is in {folder}.", data)

    def _tell(self, level: Level, kind: Kind, text: str, data: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        line = {
            "created_at": int(self._clock()), "level": level, "type": kind, "message": text,
            "data": dict(data),
        }  # fmt: skip
        # Opened for each line: who rotates or moves the file while we write loses nothing.
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
