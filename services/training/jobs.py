"""The jobs as their owners see them: accepted, looked at, paused, cancelled."""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from typing import TypeVar

from services.runtime.errors import InvalidRequest, Overloaded
from services.training.bases import Bases, model_name
from services.training.conductor import Conductor
from services.training.files import UPLOADED, Files
from services.training.order import Order, job_id
from services.training.records import Job, Kind, Note, Records, Status
from services.training.runner import Runner
from services.training.settings import TrainingSettings

log = logging.getLogger(__name__)

T = TypeVar("T")


class Jobs:
    """All jobs of this process. `start` and `stop` in one event loop."""

    def __init__(
        self,
        settings: TrainingSettings,
        records: Records,
        files: Files,
        bases: Bases,
        runner: Runner,
        conductor: Conductor,
    ) -> None:
        self._settings = settings
        self._records = records
        self._files = files
        self._bases = bases
        self._runner = runner
        self._conductor = conductor
        # One at a time: of two requests with one key, the second finds what the first has made.
        self._accepting = asyncio.Lock()
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Takes up what was begun."""
        await asyncio.to_thread(self._files.open)
        await self._conductor.start()
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Lets go of what runs; it is taken up at the next start."""
        assert self._sweeping is not None, "start comes first"
        self._sweeping.cancel()
        await asyncio.wait([self._sweeping])
        await self._conductor.stop()

    async def create(self, owner: str, order: Order, idempotency_key: str = "") -> tuple[Job, bool]:
        """Keeps a job, and returns once it is safe; with it, whether it was there before.

        Raises `InvalidRequest`, `NotFound`, `ModelNotFound`, `Overloaded`, `InsufficientStorage`.
        """
        job = job_id(owner, idempotency_key) if idempotency_key else _new_id()
        async with self._accepting:
            existed = await asyncio.to_thread(self._accept, job, owner, order)
        await self._conductor.changed()
        return await self.get(job, owner), existed

    def _accept(self, job: str, owner: str, order: Order) -> bool:
        if (known := self._records.find(job)) is not None:
            if known.order.fingerprint != order.fingerprint:
                raise InvalidRequest(
                    "This idempotency key has named another request; choose another key.",
                    param="idempotency_key",
                )
            return True
        base = self._bases.get(order.model, order.classifier.method)
        for field, file in zip(("training_file", "validation_file"), order.files, strict=False):
            self._check_file(field, file, owner)
        if len(set(order.files)) < len(order.files):
            raise InvalidRequest(
                "validation_file must be another file than training_file.",
                param="validation_file",
            )
        self._runner.check(base.method)
        waiting = self._records.waiting()
        if waiting >= self._settings.max_queued:
            raise Overloaded(f"{waiting} jobs wait already; try again later.", retry_after=60.0)
        self._records.add(job, owner, order, model_name(order.model, order.suffix, job))
        return False

    def _check_file(self, field: str, file: str, owner: str) -> None:
        if self._files.get(file, owner, param=field).purpose != UPLOADED:
            raise InvalidRequest(
                f"{field} must be a file that was uploaded for '{UPLOADED}'.", param=field
            )

    async def get(self, job: str, owner: str) -> Job:
        """A job. Raises `NotFound`, also for those of others."""
        return await asyncio.to_thread(self._records.get, job, owner)

    async def page(
        self, owner: str, limit: int, after: str, metadata: Mapping[str, str]
    ) -> tuple[list[Job], bool]:
        """An owner's jobs after a certain one, the newest first; whether there are more."""
        return await asyncio.to_thread(self._records.page, owner, limit, after, metadata)

    async def notes(
        self, job: str, owner: str, kind: Kind, limit: int, after: str
    ) -> tuple[list[Note], bool]:
        """What happened in a job, or its checkpoints, the newest first; whether there are more."""
        await self.get(job, owner)
        return await asyncio.to_thread(self._records.notes, job, kind, limit, after)

    async def cancel(self, job: str, owner: str) -> Job:
        """Ends a job, and returns when nothing works on it. Raises `InvalidRequest` if it ended."""
        found = await self._shift(
            job, owner, ("validating_files", "queued", "running", "paused"), "cancelled",
            Note("The job was cancelled."),
        )  # fmt: skip
        await asyncio.to_thread(self._conductor.folder(found).forget)
        return found

    async def pause(self, job: str, owner: str) -> Job:
        """Stops a job at a checkpoint, and returns when nothing works on it."""
        return await self._shift(
            job, owner, ("validating_files", "queued", "running"), "paused",
            Note("The job was paused."),
        )  # fmt: skip

    async def resume(self, job: str, owner: str) -> Job:
        """Queues a paused job again."""
        return await self._shift(job, owner, ("paused",), "queued", Note("The job was resumed."))

    async def _shift(
        self, job: str, owner: str, come_from: tuple[Status, ...], to: Status, note: Note
    ) -> Job:
        await self.get(job, owner)
        if not await asyncio.to_thread(self._records.move, job, come_from, to, note):
            found = await self.get(job, owner)
            if found.status != to:
                raise InvalidRequest(
                    f"The job is {found.status} already; this is for one that is "
                    f"{_listed(come_from)}.",
                    param="fine_tuning_job_id",
                )
            return found
        # Whoever asked may leave; what works on the job must still be stopped.
        await asyncio.shield(self._settle(job))
        return await self.get(job, owner)

    async def _settle(self, job: str) -> None:
        await self._conductor.let_go(job)
        await self._conductor.changed()

    async def active(self) -> list[Job]:
        """Everybody's jobs: those that run, then those that wait, the next one first."""
        states: tuple[Status, ...] = ("running", "queued", "validating_files")
        found: list[Job] = []
        for state in states:
            found += await asyncio.to_thread(self._records.in_state, state)
        return found

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._settings.sweep_seconds)
            try:
                await asyncio.to_thread(self._files.remove_expired)
            except Exception:
                # The next round may do better; until then everything is only kept for longer.
                log.exception("sweep failed")


def _new_id() -> str:
    return f"ftjob-{secrets.token_hex(12)}"


def _listed(states: tuple[Status, ...]) -> str:
    *others, last = states
    return f"{', '.join(others)} or {last}" if others else last
