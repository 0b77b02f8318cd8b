"""A trainer that learns nothing: it tells what the real one tells, and leaves the files it leaves.

`python trainer.py WAY ... --data=D --output=O --work=W --events=E [--resume]`. `WAY` is how it
behaves: `steps=N`, `pause=S` (seconds a step), `hold=N` (goes no further than that step until it is
begun again), `hang`, `die` (as the kernel kills), `fail`, `misuse`, `deaf` (to SIGTERM), `quiet`
(says nothing), joined by commas.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODEL = """\
name: {name}
capability: emotion
engine: fake
tasks: [classification]
owned_by: local
licence: Apache-2.0
labels: [happy, sad]
classifies: emotion
memory_bytes: 1000
files: {{}}
"""


class Told(Exception):
    """SIGTERM came."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("way")
    for name in ("data", "output", "work", "events"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--resume", action="store_true")
    asked, _ = parser.parse_known_args()
    ways = dict(part.partition("=")[::2] for part in asked.way.split(","))
    if "deaf" in ways:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, _told)
    events: Path = asked.events

    def tell(kind: str, message: str, level: str = "info", **data: Any) -> None:
        if "quiet" in ways:
            return
        line = {"created_at": int(time.time()), "level": level, "type": kind, "message": message}
        with events.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "data": data}) + "\n")

    if "misuse" in ways:
        tell("message", f"Every clip in {asked.data} is labelled 'happy'.", "error")
        return 2
    step_file = asked.work / "step"
    if (asked.work / "clips.csv").exists() != asked.resume:
        tell("message", "Began where it should have gone on, or the reverse.", "error")
        return 1
    assert asked.data.exists()
    asked.work.mkdir(exist_ok=True)
    (asked.work / "clips.csv").write_text("path,label\n")
    first = int(step_file.read_text()) if step_file.exists() else 0
    steps = int(ways.get("steps", "4"))
    tell("message", f"2 labels; {steps} steps, from {first}.")
    try:
        for step in range(first + 1, steps + 1):
            _misbehave(ways, tell)
            time.sleep(float(ways.get("pause", "0")))
            with _undisturbed():
                tell("metrics", f"Step {step}.", step=step, total_steps=steps, train_loss=1 / step)
                step_file.with_suffix(".new").write_text(str(step))
                step_file.with_suffix(".new").replace(step_file)
                tell("checkpoint", "", step=step, path="x", metrics={"valid_loss": 1 / step})
            if str(step) == ways.get("hold") and not asked.resume:
                time.sleep(3600)
    except Told:
        tell("message", "Stopped.")
        return 130
    asked.output.mkdir(parents=True)
    (asked.output / "metrics.json").write_text(json.dumps({"accuracy": 0.5, "part": "test"}))
    (asked.output / "model.yaml").write_text(MODEL.format(name=asked.output.name))
    tell("result", "It is there.", model=asked.output.name, path=str(asked.output),
         trained_clips=2, part="test", metrics={"accuracy": 0.5})  # fmt: skip
    return 0


def _misbehave(ways: dict[str, str], tell: Any) -> None:
    if "hang" in ways:
        time.sleep(3600)
    if "die" in ways:
        os.kill(os.getpid(), signal.SIGKILL)
    if "fail" in ways:
        tell("message", "The loss is no number any more.", "error")
        sys.exit(1)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """SIGTERM comes after: a step is told and kept, or neither."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _told(_number: int, _frame: Any) -> None:
    raise Told


if __name__ == "__main__":
    sys.exit(main())
