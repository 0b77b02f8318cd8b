"""Where jobs are kept, so that they outlive this process: DBOS, on SQLite or PostgreSQL.

A job is a workflow: what it was told is its input, what a step gave is a row, and a failure is the
output of the whole. What DBOS itself calls an error would be a fault of ours.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions, WorkflowStatus
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from services.runtime import worker

_NAME, _QUEUE = "song", "songs"
#: To be changed when a song half made by the code of before could not be finished by this one's.
_VERSION = "1"
#: Seconds between two looks at the queue.
_LOOK_EVERY = 0.25
_ACTIVE = ("ENQUEUED", "PENDING", "DELAYED")


class DatabaseUnusable(Exception):
    """The database of jobs is broken, locked or away; says where it is, without its password."""


Run = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Row:
    """A job as it is kept. Times are in Unix seconds; `output` is there once it has ended.

    `status` is DBOS's word: ENQUEUED, PENDING, SUCCESS, ERROR, CANCELLED.
    """

    id: str
    user: str
    status: str
    started: float | None
    ended: float | None
    order: Mapping[str, Any]
    output: Mapping[str, Any]

    @property
    def active(self) -> bool:
        """Whether it waits or is being made."""
        return self.status in _ACTIVE


class Store:
    """The jobs. `start` and `stop` in one event loop, in which they run."""

    def __init__(self, url: str, executor: str, slots: int) -> None:
        self._url = url
        self._executor = executor
        self._slots = slots

    async def start(self, run: Run) -> None:
        """Opens the database and takes up the jobs that this executor had begun.

        `run` makes a job, and gives what its output shall be. Raises `DatabaseUnusable`.
        """
        # It would otherwise print its lines on the console, in a form of its own.
        logging.getLogger("dbos").addHandler(logging.NullHandler())
        config = DBOSConfig(
            name="orfeon-song",
            system_database_url=self._url,
            application_version=_VERSION,
            executor_id=self._executor,
            # JSON rather than pickles: what is read from a database must not run.
            serializer=DBOSPortableJSONSerializer(),
            log_level="WARNING",
        )
        DBOS(config=config)

        async def song(order: dict[str, Any]) -> dict[str, Any]:
            job = DBOS.workflow_id
            assert job is not None, "a workflow has an id"
            return {**await run(job, order)}

        DBOS.workflow(name=_NAME)(song)
        # In this thread, whose loop it then runs jobs in.
        try:
            DBOS.launch()
        except DBAPIError as error:
            where = make_url(self._url).render_as_string()
            raise DatabaseUnusable(
                f"The songs' database {where} cannot be used: {error.orig}"
            ) from error
        await DBOS.register_queue_async(
            _QUEUE,
            worker_concurrency=self._slots,
            polling_interval_sec=_LOOK_EVERY,
            on_conflict="always_update",
        )

    async def stop(self) -> None:
        """Closes the database. Jobs that still run are taken up again at the next start."""
        await worker.apart(lambda: DBOS.destroy(destroy_registry=True))
        # DBOS has put its own threads behind the loop, and they have ended.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())

    async def add(self, job: str, user: str, level: int, order: Mapping[str, Any]) -> None:
        """Keeps a job and queues it; once it returns, the job survives."""
        options = EnqueueOptions(
            workflow_name=_NAME,
            queue_name=_QUEUE,
            workflow_id=job,
            app_version=_VERSION,
            authenticated_user=user,
            priority=level + 1,
        )
        await DBOS.enqueue_workflow_with_options_async(options, dict(order))

    async def get(self, job: str) -> Row | None:
        """One job."""
        rows = await self.rows([job])
        return rows[0] if rows else None

    async def rows(self, jobs: Sequence[str]) -> list[Row]:
        """Several jobs, in no order."""
        if not jobs:
            return []
        return [_row(one) for one in await DBOS.list_workflows_async(workflow_ids=list(jobs))]

    async def ids(self, user: str) -> list[str]:
        """The ids of a user's jobs, the newest first."""
        found = await DBOS.list_workflows_async(name=_NAME, user=user, load_output=False)
        # SQLite's clock has whole seconds.
        rows = sorted(map(_row, found), key=lambda row: row.order["created"], reverse=True)
        return [row.id for row in rows]

    async def all_ids(self) -> set[str]:
        """The ids of all jobs there are."""
        found = await DBOS.list_workflows_async(name=_NAME, load_input=False, load_output=False)
        return {one.workflow_id for one in found}

    async def waiting(self) -> list[str]:
        """The ids of the jobs that wait, the next one first."""
        found = await DBOS.list_workflows_async(
            name=_NAME, status="ENQUEUED", load_input=False, load_output=False
        )
        # They come in the order of their creation, which the sort keeps.
        found.sort(key=lambda one: one.priority or 0)
        return [one.workflow_id for one in found]

    async def active(self) -> list[Row]:
        """The jobs that are being made, then those that wait, the next one first."""
        found = await DBOS.list_workflows_async(name=_NAME, status=list(_ACTIVE))
        found.sort(
            key=lambda one: (one.status != "PENDING", one.priority or 0, one.created_at or 0)
        )
        return [_row(one) for one in found]

    async def ended_before(self, moment: float) -> list[str]:
        """The ids of the jobs that had ended by a moment, in Unix seconds."""
        found = await DBOS.list_workflows_async(
            name=_NAME,
            completed_before=datetime.fromtimestamp(moment, UTC).isoformat(),
            load_input=False,
            load_output=False,
        )
        return [one.workflow_id for one in found if one.status not in _ACTIVE]

    async def outputs(self, job: str) -> dict[str, Any]:
        """What the steps of a job gave, by name, as far as they were made."""
        steps = await DBOS.list_workflow_steps_async(job)
        return {step["function_name"]: step["output"] for step in steps}

    async def record(self, step: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """Inside a job: what a step gives, or what it gave when it was made before."""

        async def made() -> Any:
            return await make()

        return await DBOS.run_step_async({"name": step}, made)

    async def cancel(self, job: str) -> None:
        """Cancels a job that has not ended: it will not begin, nor begin another step."""
        await DBOS.cancel_workflow_async(job)

    async def remove(self, job: str) -> None:
        """Forgets a job."""
        await DBOS.delete_workflow_async(job)


def _row(one: WorkflowStatus) -> Row:
    order = one.input["args"][0] if one.input else {}
    return Row(
        id=one.workflow_id,
        user=one.authenticated_user or "",
        status=one.status,
        started=_seconds(one.dequeued_at),
        ended=_seconds(one.completed_at),
        order=order,
        output=one.output or {},
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
