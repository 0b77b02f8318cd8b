"""Where a training runs: what every runner can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.runtime.errors import ServiceUnavailable
from services.training.order import Method

#: The exit status of a trainer that was told to stop, and has left a checkpoint.
INTERRUPTED = 130


class NoRunner(Exception):
    """What trainings are to run on is not there; says what to change."""


class RunnerUnavailable(ServiceUnavailable):
    """What trainings run on cannot be asked just now; what runs there goes on."""


@dataclass(frozen=True, slots=True)
class Run:
    """A training to run: the command, and the folder that its output is logged in."""

    id: str
    command: Sequence[str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run is.

    `code` is None until it has ended; then its exit status, negative for a signal. It `waits` as
    long as nothing has been started for it.
    """

    code: int | None = None
    waits: bool = False


class Runner(Protocol):
    """Runs trainings. Methods raise `RunnerUnavailable`."""

    def check(self, method: Method) -> None:
        """Raises `InvalidRequest` where nothing can be trained so, with what to do about it."""

    async def start(self, run: Run) -> None:
        """Begins a run; one that goes on already is left alone."""

    async def progress(self, run: str) -> Progress:
        """How a run is. One that is gone was interrupted: 130."""

    async def stop(self, run: str) -> None:
        """Has a run leave a checkpoint and end; returns when nothing works on it any more."""

    async def leave(self, run: str) -> None:
        """This process ends: a run that cannot go on without it is stopped."""
