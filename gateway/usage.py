"""What each key has used: added up in memory, written to the database every few seconds."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.tables import USAGE
from services.runtime.errors import ServiceUnavailable

log = logging.getLogger(__name__)

#: Seconds between two writes: what a gateway that is killed loses.
_EVERY = 5.0
#: Seconds that the last write may take.
_LAST = 3.0
#: Seconds that who asks what was used may wait.
_PATIENCE = 5.0
#: Rows that are kept while they cannot be written: about 25 MB.
_MOST_ROWS = 100_000
#: Rows of one statement.
_BATCH = 1_000

T = TypeVar("T")

#: Day, key and capability.
_Place = tuple[str, str, str]


@dataclass(slots=True)
class Amounts:
    """What was used; `audio_seconds` of recordings that were listened to, or music made."""

    requests: int = 0
    tokens: int = 0
    audio_seconds: float = 0.0

    def __iadd__(self, more: "Amounts") -> "Amounts":
        self.requests += more.requests
        self.tokens += more.tokens
        self.audio_seconds += more.audio_seconds
        return self


@dataclass(frozen=True, slots=True)
class Usage:
    """What a key used of a capability in a day of UTC, written `2030-01-31`."""

    day: str
    key_id: str
    capability: str
    amounts: Amounts


class UsageBook:
    """Adds up usage. `start`, then `stop`, in one event loop.

    While the database is away everything is kept, and added up by day, key and capability; beyond
    100,000 such rows what is new is lost, and logged. A gateway that is killed loses the last five
    seconds, and a batch whose commit was not confirmed is counted twice.
    """

    def __init__(
        self,
        database: sa.Engine,
        *,
        every: float = _EVERY,
        most_rows: int = _MOST_ROWS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._every = every
        self._most_rows = most_rows
        self._now = now
        self._rows: dict[_Place, Amounts] = {}
        self._writing = asyncio.Lock()
        # Their own, and few: nobody who uses threads, or looks for a key, waits behind reports.
        self._threads = ThreadPoolExecutor(2, "usage")
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._told: set[str] = set()

    def add(self, key_id: str, capability: str, amounts: Amounts) -> None:
        """Counts what a request has used, today."""
        self._add((self._day(self._now()), key_id, capability), amounts)

    async def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.create_task(self._write_on())

    async def stop(self) -> None:
        """Writes what is left, if the database takes it in time."""
        assert self._task is not None, "start comes first"
        self._stopping.set()
        _, late = await asyncio.wait([self._task], timeout=_LAST)
        self._task.cancel()
        self._threads.shutdown(wait=False)
        if late or self._rows:
            log.warning("usage was not written")

    async def flush(self) -> None:
        """Writes what has been added up; what the database does not take is kept."""
        async with self._writing:
            rows, self._rows = self._rows, {}
            if not rows:
                return
            try:
                await self._in_thread(self._write, rows)
            except SQLAlchemyError as error:
                for place, amounts in rows.items():
                    self._add(place, amounts)
                self._tell("usage is kept", reason=type(error).__name__)
            else:
                self._told.clear()

    async def read(self, key_id: str | None, days: int, limit: int) -> list[Usage]:
        """What a key used, or all did, in the last so many days: the newest first.

        There are `limit` rows at most. Raises `ServiceUnavailable`.
        """
        since = self._day(self._now() - 86_400 * (days - 1))
        try:
            async with asyncio.timeout(_PATIENCE):
                # Half of it written would be counted twice, should who asks leave.
                await asyncio.shield(asyncio.ensure_future(self.flush()))
                return await self._in_thread(self._read, key_id, since, limit)
        except (TimeoutError, SQLAlchemyError) as error:
            raise ServiceUnavailable(
                "Usage cannot be looked up just now; try again shortly.", retry_after=1.0
            ) from error

    async def _write_on(self) -> None:
        ending = False
        while not ending:
            with contextlib.suppress(TimeoutError):
                ending = await asyncio.wait_for(self._stopping.wait(), self._every)
            await self.flush()

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _add(self, place: _Place, amounts: Amounts) -> None:
        row = self._rows.get(place)
        if row is None:
            if len(self._rows) >= self._most_rows:
                self._tell("usage is lost", rows=len(self._rows))
                return
            row = self._rows[place] = Amounts()
        row += amounts

    def _tell(self, what: str, **facts: object) -> None:
        """Logs a failure once, until the database takes rows again."""
        if what not in self._told:
            self._told.add(what)
            log.warning(what, extra=facts)

    def _write(self, rows: Mapping[_Place, Amounts]) -> None:
        # Both have this; the one that is not in use need not be in memory.
        dialect = import_module(f"sqlalchemy.dialects.{self._database.dialect.name}")
        insert = dialect.insert(USAGE)
        summed = ("requests", "tokens", "audio_seconds")
        statement = insert.on_conflict_do_update(
            index_elements=list(USAGE.primary_key),
            set_={name: USAGE.c[name] + insert.excluded[name] for name in summed},
        )
        # In one order everywhere, or two gateways might wait for each other.
        values = [
            {
                "day": day,
                "key_id": key_id,
                "capability": capability,
                **{name: getattr(amounts, name) for name in summed},
            }
            for (day, key_id, capability), amounts in sorted(rows.items(), key=lambda row: row[0])
        ]
        with self._database.begin() as connection:
            for first in range(0, len(values), _BATCH):
                connection.execute(statement, values[first : first + _BATCH])

    def _read(self, key_id: str | None, since: str, limit: int) -> list[Usage]:
        of = USAGE.c
        query = sa.select(USAGE).where(of.day >= since)
        if key_id is not None:
            query = query.where(of.key_id == key_id)
        query = query.order_by(of.day.desc(), of.key_id, of.capability).limit(limit)
        with self._database.connect() as connection:
            return [
                Usage(
                    row.day,
                    row.key_id,
                    row.capability,
                    Amounts(row.requests, row.tokens, row.audio_seconds),
                )
                for row in connection.execute(query)
            ]

    @staticmethod
    def _day(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
