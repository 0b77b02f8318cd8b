"""Takes jobs from their files to their models: looked through, queued, trained, published.

What it does can be broken off anywhere and begun again: the state of a job is in the records, and
its files are put in place under their names only when they are whole.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from services.runtime import worker
from services.runtime.errors import OrfeonError
from services.training.archive import ArchiveError, Limits
from services.training.examples import Examples, look_through
from services.training.files import Files
from services.training.folder import JobFolder
from services.training.records import Failure, Job, Note, Records, Status
from services.training.results import result_files
from services.training.settings import TrainingSettings
from services.training.supervision import Failed, Supervision

log = logging.getLogger(__name__)

#: Seconds until jobs that could not be recorded are looked at again.
_PAUSE = 1.0


class Conductor:
    """Works on jobs in this event loop: `start`, then `stop`."""

    def __init__(
        self,
        settings: TrainingSettings,
        records: Records,
        files: Files,
        supervision: Supervision,
    ) -> None:
        self._settings = settings
        self._records = records
        self._files = files
        self._supervision = supervision
        self._limits = Limits(settings.max_recordings, settings.max_unpacked_bytes)
        self._workers: list[asyncio.Task[None]] = []
        self._working: dict[str, asyncio.Task[None]] = {}
        self._changes = asyncio.Condition()

    async def start(self) -> None:
        """Takes up what was begun."""
        await asyncio.to_thread(self._tidy)
        trainers = (
            # Those that ran when this service ended come first.
            self._work(("running", "queued"), self._train)
            for _ in range(self._settings.slots)
        )
        lookers = self._work(("validating_files",), self._look_through)
        self._workers = [asyncio.create_task(work) for work in (lookers, *trainers)]

    async def stop(self) -> None:
        """Lets go of what runs; it is taken up at the next start."""
        self._supervision.leaving = True
        for task in self._workers:
            task.cancel()
        await asyncio.wait(self._workers)

    async def changed(self) -> None:
        """Jobs have come, or are in another state."""
        async with self._changes:
            self._changes.notify_all()

    async def let_go(self, job: str) -> None:
        """Returns once nothing works on a job, whose state the caller has changed before."""
        if (task := self._working.get(job)) is not None:
            task.cancel()
            await asyncio.wait([task])

    def folder(self, job: Job) -> JobFolder:
        """Where the files of a job are."""
        return JobFolder(self._settings.home, job.id, job.model)

    def _tidy(self) -> None:
        """Removes what is left of jobs that ended as this process's predecessor did."""
        for path in (self._settings.folder / "jobs").glob("*"):
            job = self._records.find(path.name)
            if job is not None and job.finished is not None:
                self.folder(job).forget()

    async def _work(self, states: tuple[Status, ...], do: Callable[[Job], Awaitable[None]]) -> None:
        while True:
            try:
                await self._work_on(await self._next(states), do)
            except Exception:
                # The database cannot be read or written just now; what it holds still holds.
                log.exception("jobs cannot be recorded")
                await asyncio.sleep(_PAUSE)

    async def _work_on(self, job: Job, do: Callable[[Job], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._guarded(job, do))
        self._working[job.id] = task
        try:
            await asyncio.wait([task])
        finally:
            # Where this worker is told to stop, so is what it works on.
            task.cancel()
            await asyncio.wait([task])
            del self._working[job.id]
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _next(self, states: tuple[Status, ...]) -> Job:
        async with self._changes:
            while True:
                for state in states:
                    # Of those that are next, all but one at most are worked on.
                    limit = self._settings.slots + 1
                    for job in await asyncio.to_thread(self._records.in_state, state, limit):
                        if job.id not in self._working:
                            # None waits between here and where the worker takes it.
                            return job
                await self._changes.wait()

    async def _guarded(self, job: Job, do: Callable[[Job], Awaitable[None]]) -> None:
        """Does it, and fails the job where it cannot be done."""
        try:
            await do(job)
            return
        except Failed as failed:
            failure = failed.failure
        except ArchiveError as error:
            failure = Failure("invalid_training_file", str(error), "training_file")
        except OrfeonError as error:
            failure = Failure(error.code or "training_failed", error.message, error.param or "")
        except Exception:
            log.exception("training failed", extra={"job": job.id})
            failure = Failure("internal_error", "Something went wrong here. It has been logged.")
        log.info("job failed", extra={"job": job.id, "code": failure.code})
        await worker.run(lambda _: self._fail(job, failure))

    def _fail(self, job: Job, failure: Failure) -> None:
        if self._records.fail(job.id, failure):
            self.folder(job).forget()

    async def _look_through(self, job: Job) -> None:
        found = await worker.run(lambda _: self._examples(job))
        count = sum(len(examples.rows) for examples in found)
        note = Note(f"The files hold {count} recordings. The job waits for its turn.")
        if await self._move(job, ("validating_files",), "queued", note):
            await self.changed()

    async def _move(self, job: Job, come_from: tuple[Status, ...], to: Status, note: Note) -> bool:
        return await asyncio.to_thread(self._records.move, job.id, come_from, to, note)

    def _examples(self, job: Job) -> list[Examples]:
        files = (self._files.get(file, job.owner, expired=True) for file in job.order.files)
        return [look_through(self._files.path(file), self._limits) for file in files]

    async def _train(self, job: Job) -> None:
        note = Note("The training goes on." if job.tries else "The training begins.")
        if not await self._move(job, ("queued", "running"), "running", note):
            return
        folder = self.folder(job)
        if not (folder.is_published or folder.is_made):
            data = await worker.run(lambda cancelled: self._lay_out(job, folder, cancelled))
            await self._supervision.train(job, folder, data)
        await worker.run(lambda _: self._publish(job, folder))

    def _lay_out(self, job: Job, folder: JobFolder, cancelled: worker.Cancellation) -> str:
        folder.make()
        archives = [
            self._files.path(self._files.get(file, job.owner, expired=True))
            for file in job.order.files
        ]
        found = self._examples(job)
        return str(folder.lay_out(archives, found, self._limits, lambda: cancelled.is_set))

    def _publish(self, job: Job, folder: JobFolder) -> None:
        folder.publish()
        results = result_files(self._files, job, folder.published)
        folder.forget()
        if self._records.succeed(job.id, results, Note(f"The model {job.model} is there.")):
            log.info("job succeeded", extra={"job": job.id})
        else:  # It was cancelled at the last moment.
            folder.withdraw()
            for file in results:
                with contextlib.suppress(OrfeonError):
                    self._files.delete(file, job.owner)
