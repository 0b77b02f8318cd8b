"""Has a runner train, listens to the trainer meanwhile, and says why it failed if it did."""

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.runtime.errors import InsufficientStorage
from services.training import trainer
from services.training.bases import Bases
from services.training.folder import JobFolder
from services.training.records import Failure, Job, Records
from services.training.runner import INTERRUPTED, Run, Runner, RunnerUnavailable
from services.training.settings import TrainingSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How much longer than otherwise is waited for a runner that could not be asked.
_PATIENCE = 10
#: Bytes on a disk with which nothing can be trained.
_NO_ROOM = 16 * 2**20


class Failed(Exception):
    """A training that gave no model."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class _Pace:
    """How fast a training goes: what of it was done when, in seconds of any clock."""

    def __init__(self, now: float) -> None:
        self._first: tuple[float, float] | None = None
        self.begin(now)

    def begin(self, now: float) -> None:
        """Nothing has been computed before `now`."""
        self._began = now

    def left(self, now: float, share: float) -> float | None:
        """Seconds until all is done, of which `share` is; None where nobody can tell."""
        if self._first is None:
            self._first = (self._began, 0.0) if share < 0.5 else (now, share)
        since, before = self._first
        if share <= before:
            return None
        return (now - since) * (1 - share) / (share - before)


class Supervision:
    """Trains, one job a call. `clock` gives seconds."""

    def __init__(
        self,
        settings: TrainingSettings,
        records: Records,
        bases: Bases,
        runner: Runner,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._records = records
        self._bases = bases
        self._runner = runner
        self._clock = clock
        self.leaving = False
        """Whether this process ends: what can go on without it may."""

    async def train(self, job: Job, folder: JobFolder, data: str) -> None:
        """Returns once there is a model in the job's folder. Raises `Failed`, `OrfeonError`.

        A training that was interrupted goes on. Whoever cancels waits for the trainer's end.
        """
        program = self._settings.trainer or trainer.PROGRAM
        base = self._bases.get(job.order.model, job.order.classifier.method)
        command = trainer.command(program, job.order, base, data, folder)
        run = Run(job.id, command, folder.root)
        for _ in range(job.tries, max(job.tries + 1, self._settings.max_tries)):
            await asyncio.to_thread(self._records.tried, job.id)
            try:
                code = await self._attempt(job, folder, run)
            except asyncio.CancelledError:
                await (self._runner.leave if self.leaving else self._runner.stop)(job.id)
                await self._listen(job, folder, None)
                raise
            except Exception:
                await self._patiently(lambda: self._runner.stop(job.id))
                raise
            if code == 0 and folder.is_made:
                return
            if code != INTERRUPTED:
                raise Failed(await asyncio.to_thread(self._why, job, code))
            log.warning("training interrupted", extra={"job": job.id})
            await self._patiently(lambda: self._runner.stop(job.id))
        raise Failed(
            Failure("training_interrupted", "The training was interrupted again and again.")
        )

    async def _attempt(self, job: Job, folder: JobFolder, run: Run) -> int:
        """Runs the trainer until it ends; its exit status."""
        await self._patiently(lambda: self._runner.start(run))
        heard = self._clock()
        pace = _Pace(heard)
        while True:
            progress = await self._patiently(lambda: self._runner.progress(run.id))
            if await self._listen(job, folder, pace) or progress.waits:
                heard = self._clock()
            if progress.waits:
                pace.begin(heard)
            if progress.code is not None:
                while await self._listen(job, folder, pace):
                    pass
                return progress.code
            if self._clock() - heard > self._settings.silent_seconds:
                raise Failed(_silence(self._settings.silent_seconds))
            await asyncio.sleep(self._settings.look_seconds)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Asks the runner until it answers: what runs there goes on meanwhile."""
        while True:
            try:
                return await ask()
            except RunnerUnavailable as error:
                log.warning("runner unavailable", extra={"reason": error.message})
                await asyncio.sleep(_PATIENCE * self._settings.look_seconds)

    async def _listen(self, job: Job, folder: JobFolder, pace: _Pace | None) -> bool:
        """Keeps what the trainer has told since; whether there was anything."""
        try:
            return await asyncio.to_thread(self._heard, job, folder, pace)
        except InsufficientStorage as error:
            # It stays in the file, and is kept once there is room.
            log.warning("events not kept", extra={"reason": error.message})
            return False

    def _heard(self, job: Job, folder: JobFolder, pace: _Pace | None) -> bool:
        known = self._records.find(job.id)
        place = 0 if known is None else known.heard
        told = trainer.listen(folder.events, place, folder.hidden)
        if told.place == place:
            return False
        left = None
        if pace is not None and told.share is not None:
            left = pace.left(self._clock(), told.share)
        estimate = None if left is None else time.time() + left
        self._records.hear(job.id, told.place, told.notes, estimate)
        return True

    def _why(self, job: Job, code: int) -> Failure:
        notes, _ = self._records.notes(job.id, "event", 1, "")
        said = next((note.message for note in notes if note.level == "error"), "")
        if not said and shutil.disk_usage(self._settings.home).free < _NO_ROOM:
            return Failure("insufficient_storage", "The disk that models are made on here is full.")
        return trainer.failure_of(code, said)


def _silence(seconds: float) -> Failure:
    return Failure(
        "training_timeout", f"The training told nothing for {seconds:.0f} seconds and was stopped."
    )
