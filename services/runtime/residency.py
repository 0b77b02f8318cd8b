"""Which models are in memory: leases, single-flight loads, idle expiry and a budget.

`async with models.lease(name) as model` loads the model once however many ask, counts a reference
and starts an idle timer when the last one leaves. A model that is leased is never evicted; to make
room, idle ones go, least recently used first. Pure asyncio: loading, sizes and the clock are given.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, Protocol, TypeVar

from services.runtime.errors import OutOfMemory

log = logging.getLogger(__name__)

M = TypeVar("M")

NEVER = -1.0


class State(Enum):
    """Where a model is in its life."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    LOADED = "loaded"
    FAILED = "failed"


class Observer(Protocol):
    """Hears of loads and evictions; metrics implement it."""

    def loaded(self, name: str, seconds: float, size: int) -> None:
        """A model came into memory."""

    def unloaded(self, name: str) -> None:
        """A model left memory."""


@dataclass(eq=False)
class _Resident(Generic[M]):
    """A model in memory, or on its way. `size` counts against the budget from the first moment."""

    name: str
    size: int
    load: "asyncio.Task[M]"
    leases: int = 0
    idle_since: float = 0.0

    @property
    def loaded(self) -> bool:
        return self.load.done() and not self.load.cancelled() and self.load.exception() is None


@dataclass
class Residency(Generic[M]):
    """The models of one process.

    `ttl` is how many seconds an idle model stays (-1 for ever, 0 not at all); `budget` is how many
    bytes models may take together (0 for no bound); `size` tells a model's bytes before it is read.
    """

    load: Callable[[str], Awaitable[M]]
    unload: Callable[[M], Awaitable[None]]
    size: Callable[[str], int]
    observer: Observer
    ttl: float = NEVER
    budget: int = 0
    clock: Callable[[], float] = time.monotonic
    _residents: dict[str, _Resident[M]] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def state(self, name: str) -> State:
        """Where the model is in its life."""
        resident = self._residents.get(name)
        if resident is None:
            return State.FAILED if name in self._failed else State.UNLOADED
        return State.LOADED if resident.loaded else State.LOADING

    def is_resident(self, name: str) -> bool:
        """Whether a request for the model would not have to wait for a load."""
        return self.state(name) is State.LOADED

    def resident_bytes(self, name: str) -> int:
        """Bytes the model takes now; 0 when it is not in memory."""
        return self._residents[name].size if self.is_resident(name) else 0

    @property
    def used(self) -> int:
        """Bytes of every model in memory or on its way there."""
        return sum(resident.size for resident in self._residents.values())

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[M]:
        """Yields the model, loading it first if need be, and keeps it in memory for the block.

        Raises `OutOfMemory` when it could not fit even alone, and whatever its load raised; a
        failed load is tried again by the next request.
        """
        resident = await self._hold(name)
        try:
            # Shielded: a caller who leaves must not abort the load that others wait for.
            yield await asyncio.shield(resident.load)
        finally:
            resident.leases -= 1
            resident.idle_since = self.clock()
            self._announce()
            if self.ttl == 0:
                await self.expire()

    async def expire(self) -> None:
        """Unloads what has been idle for longer than `ttl`. Called now and then by the host."""
        if self.ttl == NEVER:
            return
        async with self._lock:
            horizon = self.clock() - self.ttl
            for resident in self._idle():
                if resident.idle_since <= horizon:
                    await self._evict(resident)

    async def close(self) -> None:
        """Unloads everything, leased or not. The host calls it once nothing runs any more."""
        for resident in list(self._residents.values()):
            await asyncio.wait([resident.load])
            await self._evict(resident)

    async def _hold(self, name: str) -> _Resident[M]:
        while True:
            async with self._lock:
                resident = self._residents.get(name)
                if resident is None and await self._make_room(name):
                    resident = self._start(name)
                if resident is not None:
                    resident.leases += 1
                    return resident
                changed = self._changed
            await changed.wait()

    async def _make_room(self, name: str) -> bool:
        """Evicts idle models until `name` fits. False when only leased ones are in the way."""
        need = self.size(name)
        if self.budget and need > self.budget:
            raise OutOfMemory(
                f"Model {name!r} needs {need:,} bytes and the budget is {self.budget:,}.",
                param="model",
            )
        for resident in self._idle():
            if not self.budget or self.used + need <= self.budget:
                break
            await self._evict(resident)
        return not self.budget or self.used + need <= self.budget

    def _start(self, name: str) -> _Resident[M]:
        resident = _Resident(name, self.size(name), asyncio.ensure_future(self._load(name)))
        resident.load.add_done_callback(lambda _load: self._settle(resident))
        self._residents[name] = resident
        return resident

    async def _load(self, name: str) -> M:
        began = self.clock()
        model = await self.load(name)
        self.observer.loaded(name, self.clock() - began, self.size(name))
        return model

    def _settle(self, resident: _Resident[M]) -> None:
        """Forgets a failed load, so that the next request tries again."""
        self._failed.discard(resident.name)
        resident.idle_since = self.clock()
        if not resident.loaded:
            self._failed.add(resident.name)
            self._residents.pop(resident.name, None)
        self._announce()

    def _idle(self) -> list[_Resident[M]]:
        """Models that nobody leases, least recently used first."""
        idle = [r for r in self._residents.values() if r.loaded and r.leases == 0]
        return sorted(idle, key=lambda resident: resident.idle_since)

    async def _evict(self, resident: _Resident[M]) -> None:
        # Out of the table first: nobody may lease it while it is being unloaded.
        self._residents.pop(resident.name, None)
        if resident.loaded:
            try:
                await self.unload(resident.load.result())
            except Exception:
                # Whoever needs the room, or found the model idle, is not to blame.
                log.exception("model not unloaded cleanly", extra={"model": resident.name})
            finally:
                self.observer.unloaded(resident.name)

    def _announce(self) -> None:
        """Wakes those who wait for room: a lease ended, or a load did."""
        self._changed.set()
        self._changed = asyncio.Event()
