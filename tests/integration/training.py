"""Runs trainings of classifiers: here, or in a process of their own."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from services.emotion.training.__main__ import main


def train(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    code = ended.value.code
    return code if isinstance(code, int) else 1


def lines(events: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in events.read_text("utf-8").splitlines()]


class Training:
    """A training in a process of its own, which tells how far it is."""

    def __init__(self, events: Path, *arguments: str | Path) -> None:
        self._events = events
        self._told = len(lines(events)) if events.exists() else 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "services.emotion.training", *map(str, arguments),
             "--events", str(events)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def tells(self, kind: str) -> None:
        """Waits until it has told a line of that type."""
        deadline = time.monotonic() + 120
        while not any(line["type"] == kind for line in self._lines()):
            assert self._process.poll() is None, self._process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def ended_by(self, number: signal.Signals) -> tuple[int, str]:
        """Exit status, and what was said on stderr."""
        self._process.send_signal(number)
        _, said = self._process.communicate(timeout=60)
        return self._process.returncode, said

    def _lines(self) -> list[dict[str, Any]]:
        return lines(self._events)[self._told :] if self._events.exists() else []
