"""The jobs as their owners see them: accepted, watched, cancelled, and removed in the end."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.runtime.errors import InvalidRequest, NotFound, Overloaded
from services.runtime.telemetry import JobMetrics
from services.song.folder import ArtifactFile, JobFolder
from services.song.maker import Maker
from services.song.order import Order
from services.song.progress import Board, Pace, Place
from services.song.settings import SongSettings
from services.song.store import Row, Store
from services.song.upstreams import Upstreams

log = logging.getLogger(__name__)

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]

_STATUS: Mapping[str, Status] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "succeeded",
    "CANCELLED": "cancelled",
}
#: What is told of a job that DBOS has given up.
_FAULT = {"code": "internal_error", "message": "Something went wrong here. It has been logged."}
#: Seconds between two looks at a job that nothing is heard of, and the least and the most between
#: two reports.
_LOOK_EVERY, _REPORT_EVERY, _SILENT = 1.0, 0.1, 15.0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is now. Times are in Unix seconds.

    `step` is being made, or was the last; `progress` is 0 to 1; `position` counts from 1 in the
    queue, 0 outside of it; `left` are the seconds until it is complete, None where nobody can tell.
    """

    id: str
    order: Order
    status: Status
    step: str
    progress: float
    position: int
    left: float | None
    started: float | None
    ended: float | None
    expires: float | None
    facts: Mapping[str, Any]
    error: Mapping[str, str] | None
    artifacts: list[ArtifactFile]


class Jobs:
    """All jobs of this process. `start` and `stop` in one event loop."""

    def __init__(self, settings: SongSettings, upstreams: Upstreams, metrics: JobMetrics) -> None:
        self._metrics = metrics
        self._settings = settings
        self._board = Board()
        self._pace = Pace()
        self._store = Store(settings.database, settings.executor, settings.slots)
        self._maker = Maker(settings, upstreams, self._board, self._pace)
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        # One at a time: of two requests with one key, the second finds what the first has made.
        self._accepting = asyncio.Lock()
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Takes up what was begun."""
        self._settings.songs.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._store.start(self._run)
        await self._sweep_orphans()
        self._sweeping = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Lets go of what runs; it is taken up at the next start."""
        assert self._sweeping is not None, "start comes first"
        tasks = [self._sweeping, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._store.stop()

    async def accept(
        self,
        job: str,
        order: Order,
        *,
        voice: Iterable[bytes] = (),
        source: JobFolder | None = None,
    ) -> bool:
        """Keeps a job, and returns once it is safe: whether it was there before.

        `voice` is the recording that the order speaks of, `source` where the files lie that it
        keeps. Raises `InvalidRequest` where the id stands for another request, `Overloaded`,
        `InsufficientStorage`, `NotFound`.
        """
        # Whoever leaves now must not leave half of it: a job without its voice, say.
        accepting = asyncio.create_task(self._accept(job, order, voice, source))
        accepting.add_done_callback(_retrieved)
        return await asyncio.shield(accepting)

    async def _accept(
        self, job: str, order: Order, voice: Iterable[bytes], source: JobFolder | None
    ) -> bool:
        async with self._accepting:
            if (known := await self._store.get(job)) is not None:
                if Order.from_json(known.order).fingerprint != order.fingerprint:
                    raise InvalidRequest(
                        "This idempotency key has named another request; choose another key.",
                        param="idempotency_key",
                    )
                return True
            waiting = len(await self._store.waiting())
            if waiting >= self._settings.max_queued:
                raise Overloaded(
                    f"{waiting} songs wait already; try again later.", retry_after=60.0
                )
            folder = self._maker.folder(job)
            try:
                if order.voice:
                    await asyncio.to_thread(folder.keep_voice, voice)
                if source is not None:
                    files = [name for output in order.kept.values() for name in output["files"]]
                    await asyncio.to_thread(folder.take_over, source, files)
                await self._store.add(job, _user(order.owner), order.level, order.to_json())
            except Exception:
                if await self._store.get(job) is None:
                    await asyncio.to_thread(folder.remove)
                raise
            return False

    def folder(self, job: str) -> JobFolder:
        """Where the files of a job are."""
        return self._maker.folder(job)

    async def outputs(self, job: Job) -> dict[str, Any]:
        """What each step of a job gave, those too that it took over."""
        return {**job.order.kept, **await self._store.outputs(job.id)}

    async def get(self, job: str, owner: str) -> Job:
        """A job. Raises `NotFound`, also for those of others."""
        return await self._job(await self._row(job, owner))

    async def page(self, owner: str, limit: int, after: str) -> tuple[list[Job], bool]:
        """An owner's jobs after a certain one, the newest first; whether there are more."""
        ids = await self._store.ids(_user(owner))
        if after:
            if after not in ids:
                raise NotFound("There is no such job to list from.", param="after")
            ids = ids[ids.index(after) + 1 :]
        rows = {row.id: row for row in await self._store.rows(ids[:limit])}
        jobs = [await self._job(rows[one]) for one in ids[:limit] if one in rows]
        return jobs, len(ids) > limit

    async def watch(self, job: str, owner: str) -> AsyncIterator[Job]:
        """A job as it is, and again at each change or after a silence, until it has ended."""
        shown: Job | None = None
        since = 0.0
        while True:
            now = await self.get(job, owner)
            silent = time.monotonic() - since > _SILENT
            if shown is None or silent or _told(now) != _told(shown):
                yield now
                shown, since = now, time.monotonic()
            if now.ended is not None:
                return
            await self._board.change(job, _LOOK_EVERY)
            await asyncio.sleep(_REPORT_EVERY)

    async def cancel(self, job: str, owner: str) -> Job:
        """Cancels a job, and returns when nothing works on it. What has ended stays as it is."""
        row = await self._row(job, owner)
        if row.active:
            await self._store.cancel(job)
            if (task := self._tasks.get(job)) is not None:
                task.cancel()
                await asyncio.wait([task])
            row = await self._row(job, owner)
            if row.status == "CANCELLED":
                await asyncio.to_thread(self.folder(job).remove)
            self._board.changed(job)
        return await self._job(row)

    async def active(self) -> list[Job]:
        """Everybody's jobs: those that are made, then those that wait, the next one first."""
        return [await self._job(row) for row in await self._store.active()]

    async def _run(self, job: str, order: Mapping[str, Any]) -> Mapping[str, Any]:
        task = asyncio.current_task()
        assert task is not None, "jobs run in tasks"
        self._tasks[job] = task
        wanted = Order.from_json(order)
        try:
            error = await self._maker.make(job, wanted, self._store.record)
        except Exception:
            self._ended(wanted, succeeded=False)
            raise
        finally:
            del self._tasks[job]
        self._ended(wanted, succeeded=not error)
        log.info("job ended", extra={"job": job, "outcome": error["code"] if error else "ok"})
        return {"error": error} if error else {}

    def _ended(self, order: Order, *, succeeded: bool) -> None:
        self._metrics.ended(order.level, time.time() - order.created, succeeded=succeeded)

    async def _row(self, job: str, owner: str) -> Row:
        row = await self._store.get(job)
        if row is None or row.user != _user(owner):
            raise NotFound("There is no such job here.", param="job_id")
        return row

    async def _job(self, row: Row) -> Job:
        order = Order.from_json(row.order)
        outputs = await self._store.outputs(row.id)
        # SQLite's clock has whole seconds.
        started, ended = (_after(order.created, moment) for moment in (row.started, row.ended))
        made = [step for step in order.made if "files" in outputs.get(step, {})]
        place = self._board.at(row.id) or Place(_next(order, made), 0.0, self._pace.now())
        error = row.output.get("error") or (_FAULT if row.status not in _STATUS else None)
        status: Status = "failed" if error else _STATUS[row.status]
        position = await self._position(row.id) if status == "queued" else 0
        done = place.times.done(order.made, place.step, place.share)
        facts: dict[str, Any] = {}
        for output in [*order.kept.values(), *(outputs[name] for name in made)]:
            facts |= output["facts"]
        return Job(
            id=row.id,
            order=order,
            status=status,
            step=place.step,
            progress=1.0 if status == "succeeded" else done,
            position=position,
            left=self._left(order, place, position) if row.active else None,
            started=started,
            ended=ended,
            expires=None if ended is None else ended + self._settings.keep_seconds,
            facts=facts,
            error=error,
            artifacts=await asyncio.to_thread(self.folder(row.id).artifacts),
        )

    async def _position(self, job: str) -> int:
        waiting = await self._store.waiting()
        # One that waited a moment ago and does no longer was the next.
        return waiting.index(job) + 1 if job in waiting else 1

    def _left(self, order: Order, place: Place, position: int) -> float:
        own = place.times.left(order.made, place.step, place.share)
        # Those before it are taken for songs like this one.
        return own * (1.0 + max(0, position - 1) / self._settings.slots)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._settings.sweep_seconds)
            try:
                await self._remove_expired()
            except Exception:
                # The next round may do better; until then everything is only kept for longer.
                log.exception("sweep failed")

    async def _remove_expired(self) -> None:
        for job in await self._store.ended_before(time.time() - self._settings.keep_seconds):
            await asyncio.to_thread(self.folder(job).remove)
            await self._store.remove(job)

    async def _sweep_orphans(self) -> None:
        """Files whose job was never kept: this process died while it accepted it."""
        known = await self._store.all_ids()
        for path in self._settings.songs.iterdir():
            if path.name not in known:
                await asyncio.to_thread(self.folder(path.name).remove)


def _user(owner: str) -> str:
    # Never empty: DBOS takes that for everybody.
    return f"key:{owner}"


def _retrieved(task: asyncio.Task[bool]) -> None:
    """Nobody may be there any more to hear what went wrong; asyncio would report that."""
    if not task.cancelled():
        task.exception()


def _after(created: float, moment: float | None) -> float | None:
    return None if moment is None else max(created, moment)


def _next(order: Order, made: list[str]) -> str:
    """The step that comes after those made; the last one once all are."""
    return next((step for step in order.made if step not in made), order.made[-1])


def _told(job: Job) -> tuple[Any, ...]:
    """What a change is a change of: not the seconds that pass."""
    return (job.status, job.step, round(job.progress, 3), job.position, job.facts, job.artifacts)
