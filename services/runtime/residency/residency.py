"""Which models are in memory: demands, leases, single-flight loads, idle expiry, eviction.

The scheduler says which models its next turns lack (`demand`) and holds those that its turns use;
others lease: `async with models.lease(name) as model`. Memory is claimed before a load and released
after an unload, from whoever keeps the budget (`Memory`). A model that is held is never evicted;
one that others want goes once nobody here goes before them. Pure asyncio.
"""

import asyncio
import itertools
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic

from services.runtime.errors import (
    ModelLoadFailed,
    OrfeonError,
    OutOfMemory,
    ServiceUnavailable,
)
from services.runtime.residency.memory import Claim, Memory, Use
from services.runtime.residency.placement import Footprint, Placement
from services.runtime.residency.resident import (
    Expected,
    Facts,
    Listener,
    M,
    NoListener,
    Observer,
    Reason,
    Resident,
    State,
)
from services.runtime.urgency import Urgency

log = logging.getLogger(__name__)

NEVER = -1.0


@dataclass(eq=False, slots=True)
class _Direct:
    """Someone who waits for a model without a ticket. The result is held for them already."""

    urgency: Urgency
    evict: bool
    ready: "asyncio.Future[None]"


class Residency(Generic[M]):
    """The models of one process. Set `memory` and, where there is a queue, `listener` first.

    `unload` returns how many bytes did not come back. `ttl` is how many seconds an idle model stays
    (-1 for ever, 0 not at all); a load that takes longer than `load_timeout` seconds has failed.
    """

    memory: Memory

    def __init__(
        self,
        *,
        load: Callable[[str, Placement], Awaitable[M]],
        unload: Callable[[M, Placement], Awaitable[int]],
        footprint: Callable[[str], Footprint],
        observer: Observer,
        ttl: float = NEVER,
        load_timeout: float = 600.0,
        pinned: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.listener: Listener = NoListener()
        self.pinned = set(pinned)
        self._load = load
        self._unload = unload
        self._footprint = footprint
        self._observer = observer
        self._ttl = ttl
        self._load_timeout = load_timeout
        self._clock = clock
        self._ids = itertools.count(1)
        self._residents: dict[str, Resident[M]] = {}
        self._by_id: dict[int, Resident[M]] = {}
        self._demanded: Mapping[str, Urgency] = {}
        self._direct: dict[str, list[_Direct]] = {}
        self._failed: set[str] = set()
        self._closing = False
        self._expected = Expected()
        self._tasks: set[asyncio.Task[None]] = set()

    # What there is.

    def is_ready(self, name: str) -> bool:
        """Whether a request for the model could begin now."""
        resident = self._residents.get(name)
        return resident is not None and resident.ready

    def model(self, name: str) -> M:
        """A model that the caller holds."""
        model = self._residents[name].model
        assert model is not None
        return model

    def facts(self, name: str) -> Facts:
        """What there is to say of a model."""
        resident = self._residents.get(name)
        if resident is None:
            state = State.FAILED if name in self._failed else State.UNLOADED
            return Facts(state, pinned=name in self.pinned)
        now = self._clock()
        progress = 0.0
        if resident.state is State.LOADING:
            expected = self._expected.of(name, resident.footprint.bytes)
            progress = min(0.99, max(0.0, (now - resident.load_began) / expected))
        expires = None
        if resident.idle_since is not None and self._ttl != NEVER and name not in self.pinned:
            expires = time.time() + resident.idle_since + self._ttl - now
        placement = resident.placement
        return Facts(
            state=resident.state,
            progress=progress,
            bytes=placement.bytes if placement is not None else 0,
            device=placement.device if placement is not None else "",
            gpu_layers=placement.gpu_layers if placement is not None else 0,
            since=resident.loaded_at,
            in_use=resident.holds,
            expires=expires,
            pinned=name in self.pinned,
        )

    # For the scheduler; see `scheduler.Models`.

    def load_seconds(self, name: str) -> float:
        """How long a load takes that is not waiting for memory; 0 where the model is ready."""
        resident = self._residents.get(name)
        if resident is not None and resident.ready:
            return 0.0
        expected = self._expected.of(name, self._footprint(name).bytes)
        if resident is not None and resident.state is State.LOADING:
            return max(0.0, expected - (self._clock() - resident.load_began))
        return expected

    def demand(self, wanted: Mapping[str, Urgency]) -> None:
        """The models that the next turns need. Replaces what was said before."""
        self._demanded = wanted
        self._reconcile()

    def hold(self, name: str) -> None:
        """Keeps a ready model in memory until `release`."""
        resident = self._residents[name]
        assert resident.ready
        resident.holds += 1
        if resident.holds == 1:
            resident.idle_since = None
            self._report(resident)
        if resident.wanted is not None:
            # Whoever was to go before those who want it has gone.
            self._consider(resident)

    def release(self, name: str) -> None:
        """Ends a `hold`."""
        resident = self._residents[name]
        resident.holds -= 1
        if resident.holds == 0:
            resident.idle_since = self._clock()
            self._report(resident)
            if self._ttl == 0 and name not in self.pinned and not self._is_waited_for(name):
                resident.leaving = resident.leaving or "idle"
        self._consider(resident)

    # For everybody else.

    @asynccontextmanager
    async def lease(
        self, name: str, urgency: Urgency | None = None, *, evict: bool = True
    ) -> AsyncIterator[M]:
        """Yields the model, loading it first if need be, and keeps it in memory for the block.

        With `evict` false no other model is asked to go. Raises `OutOfMemory`, and what the load
        raised.
        """
        if self.is_ready(name):
            self.hold(name)
        else:
            await self._come(name, urgency or Urgency(1, self._clock()), evict)
        try:
            yield self.model(name)
        finally:
            self.release(name)

    async def unload(self, name: str) -> None:
        """Unpins a model and lets it go once nobody works with it; returns when it has gone."""
        self.pinned.discard(name)
        resident = self._residents.get(name)
        if resident is None or resident.state is State.WAITING:
            return
        if resident.state is not State.UNLOADING:
            # Also where it was to go for others: should they leave, it goes nevertheless.
            resident.leaving = "asked"
        self._report(resident)
        self._consider(resident)
        await resident.gone.wait()

    def pin(self, name: str, pinned: bool) -> None:
        """Says whether a model may be evicted or expire."""
        (self.pinned.add if pinned else self.pinned.discard)(name)
        if (resident := self._residents.get(name)) is not None:
            self._report(resident)

    def expire(self) -> None:
        """Unloads what has been idle for longer than `ttl`. Called now and then by the host."""
        if self._ttl == NEVER:
            return
        horizon = self._clock() - self._ttl
        for resident in list(self._residents.values()):
            idle = resident.idle_since
            if resident.ready and resident.name not in self.pinned and idle is not None:
                if idle <= horizon and not self._is_waited_for(resident.name):
                    resident.leaving = "idle"
                    self._report(resident)
                self._consider(resident)

    async def close(self, patience: float = 5.0) -> None:
        """Unloads everything. The host calls it once nothing new comes.

        What is not unloaded within `patience` seconds, because its load does not end or somebody
        still works with it, is left to the end of the process.
        """
        self._closing = True
        gone = ServiceUnavailable("The service is shutting down; try again.", retry_after=1.0)
        for name in list(self._direct):
            for direct in self._leave_directly(name, lambda _: True):
                direct.ready.set_exception(gone)
        self._reconcile()
        for resident in list(self._by_id.values()):
            resident.leaving = resident.leaving or "closed"
            self._consider(resident)
        going = [asyncio.ensure_future(each.gone.wait()) for each in self._by_id.values()]
        if going or self._tasks:
            await asyncio.wait([*going, *self._tasks], timeout=patience)
        for each in going:
            each.cancel()

    # For the memory; see `Claimant`.

    def granted(self, claim_id: int, placement: Placement) -> None:
        """The memory is there: the load begins."""
        resident = self._by_id.get(claim_id)
        if resident is None or resident.state is not State.WAITING:
            self.memory.release(claim_id)
            return
        now = self._clock()
        self._observer.waited(resident.name, resident.urgency.level, now - resident.asked)
        resident.placement, resident.load_began = placement, now
        resident.state = State.LOADING
        self._start(self._bring(resident, placement))

    def refused(self, claim_id: int, error: OrfeonError) -> None:
        """The memory cannot be had."""
        resident = self._by_id.get(claim_id)
        if resident is None:
            return
        self._forget(resident)
        if resident.evict:
            self._fail(resident.name, error)
        else:
            for direct in self._leave_directly(resident.name, lambda each: not each.evict):
                direct.ready.set_exception(error)
            self._reconcile()

    def wanted(self, lease_id: int, urgency: Urgency | None) -> None:
        """Someone waits for a model's memory, or no longer does."""
        resident = self._by_id.get(lease_id)
        if resident is not None:
            resident.wanted = urgency
            if urgency is None and resident.holds and resident.leaving == "evicted":
                resident.leaving = None
                self.listener.changed()
            self._consider(resident)

    def _reconcile(self) -> None:
        """Claims memory for what is needed and not there; withdraws claims nobody needs."""
        needs = {} if self._closing else dict(self._demanded)
        now = self._clock()
        for name, waiting in self._direct.items():
            urgencies = [direct.urgency for direct in waiting]
            if name in needs:
                urgencies.append(needs[name])
            if urgencies:
                needs[name] = min(urgencies, key=lambda urgency: urgency.rank(now))
        for resident in list(self._residents.values()):
            if resident.state is State.WAITING and resident.name not in needs:
                self._forget(resident)
                self.memory.withdraw(resident.id)
            elif resident.wanted is not None:
                self._consider(resident)
        for name, urgency in needs.items():
            resident_or_none = self._residents.get(name)
            if resident_or_none is None:
                self._claim(name, urgency)
            elif resident_or_none.state is State.WAITING and resident_or_none.urgency != urgency:
                resident_or_none.urgency = urgency
                self.memory.update(resident_or_none.id, urgency)

    def _claim(self, name: str, urgency: Urgency) -> None:
        evict = name in self._demanded or any(each.evict for each in self._direct.get(name, ()))
        try:
            footprint = self._footprint(name)
        except Exception as raised:
            # Its engine's library is missing, say.
            self._observer.load_failed(name)
            self._fail(name, _load_error(name, raised))
            return
        resident: Resident[M] = Resident(
            next(self._ids), name, footprint, urgency, self._clock(), evict
        )
        self._residents[name] = self._by_id[resident.id] = resident
        self.memory.claim(Claim(resident.id, name, footprint, urgency, evict))

    async def _bring(self, resident: Resident[M], placement: Placement) -> None:
        """Loads a model whose memory has been granted."""
        name = resident.name
        load = asyncio.ensure_future(self._load(name, placement))
        try:
            done, _ = await asyncio.wait([load], timeout=self._load_timeout)
            if not done:
                self._start(self._abandon(resident, placement, load))
                raise ModelLoadFailed(
                    f"Model {name!r} was not loaded within {self._load_timeout:g} s; try again.",
                    param="model",
                    retry_after=5.0,
                )
            resident.model = load.result()
        except BaseException as raised:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise  # The process ends; nobody waits any more.
            self._forget(resident)
            if load.done():
                self.memory.release(resident.id)
            self._observer.load_failed(name)
            self._fail(name, _load_error(name, raised))
            return
        self._came(resident)

    def _came(self, resident: Resident[M]) -> None:
        now, name = self._clock(), resident.name
        seconds = max(0.0, now - resident.load_began)
        self._expected.seconds[name] = seconds
        self._failed.discard(name)
        resident.state = State.LOADED
        resident.loaded_at = time.time()
        assert resident.placement is not None
        self._observer.loaded(name, seconds, resident.placement.bytes)
        # Those who waited hold it, all of them, before anybody is told that it is idle.
        direct = self._leave_directly(name, lambda _: True) if resident.ready else []
        resident.holds, resident.idle_since = len(direct), None if direct else now
        for each in direct:
            each.ready.set_result(None)
        if resident.ready:
            self.listener.loaded(name)
        self._report(resident)
        self._consider(resident)

    async def _abandon(
        self, resident: Resident[M], placement: Placement, load: "asyncio.Future[M]"
    ) -> None:
        """Waits for a load that nobody waits for any more: its memory is taken until it ends."""
        await asyncio.wait([load])
        try:
            if not load.cancelled() and load.exception() is None:
                await self._unload(load.result(), placement)
        except Exception:
            log.exception("model not unloaded cleanly", extra={"model": resident.name})
        finally:
            self.memory.release(resident.id)

    def _consider(self, resident: Resident[M]) -> None:
        """Lets a model go if others want it more than those who wait for it here."""
        if resident.state is not State.LOADED:
            return
        pinned = resident.name in self.pinned
        if resident.leaving is None and resident.wanted is not None and not pinned:
            if self.listener.goes_first(resident.name, resident.wanted):
                return
            # Work that is not pressing waits until the model is idle: whoever comes while it is
            # used still finds it in memory.
            if resident.holds == 0 or resident.wanted.rank(self._clock())[0] < 2:
                resident.leaving = "evicted"
        if resident.leaving is not None and resident.holds == 0:
            resident.state = State.UNLOADING
            self._start(self._take_out(resident, resident.leaving))

    async def _take_out(self, resident: Resident[M], reason: Reason) -> None:
        model, placement = resident.model, resident.placement
        assert model is not None
        assert placement is not None
        unreturned = 0
        try:
            unreturned = await self._unload(model, placement)
        except Exception:
            # Whoever needs the room, or found the model idle, is not to blame.
            log.exception("model not unloaded cleanly", extra={"model": resident.name})
        resident.model = None
        self._forget(resident)
        if unreturned:
            log.warning("memory not returned", extra={"model": resident.name, "bytes": unreturned})
        self._observer.unloaded(resident.name, reason, unreturned)
        self.memory.release(resident.id)
        self._reconcile()
        self.listener.changed()

    async def _come(self, name: str, urgency: Urgency, evict: bool) -> None:
        direct = _Direct(urgency, evict, asyncio.get_running_loop().create_future())
        self._direct.setdefault(name, []).append(direct)
        self._reconcile()
        try:
            await direct.ready
        except asyncio.CancelledError:
            ready = direct.ready
            if ready.done() and not ready.cancelled() and ready.exception() is None:
                self.release(name)
            self._leave_directly(name, lambda each: each is direct)
            self._reconcile()
            raise

    def _leave_directly(self, name: str, which: Callable[[_Direct], bool]) -> list[_Direct]:
        """Takes those who wait directly out, and leaves out those who have gone."""
        waiting = self._direct.get(name, [])
        stay = [each for each in waiting if not which(each)]
        if stay:
            self._direct[name] = stay
        else:
            self._direct.pop(name, None)
        return [each for each in waiting if which(each) and not each.ready.done()]

    def _fail(self, name: str, error: OrfeonError) -> None:
        """Tells everybody who waits, once. The next request tries again."""
        self._failed.add(name)
        for direct in self._leave_directly(name, lambda _: True):
            direct.ready.set_exception(error)
        self._demanded = {each: how for each, how in self._demanded.items() if each != name}
        self.listener.failed(name, error)
        self._reconcile()

    def _is_waited_for(self, name: str) -> bool:
        return self.listener.goes_first(name, Urgency(2, math.inf))

    def _forget(self, resident: Resident[M]) -> None:
        resident.gone.set()
        self._by_id.pop(resident.id, None)
        if self._residents.get(resident.name) is resident:
            del self._residents[resident.name]

    def _report(self, resident: Resident[M]) -> None:
        if resident.state in (State.WAITING, State.LOADING):
            return
        self.memory.report(
            resident.id,
            Use(
                loaded=True,
                idle_since=resident.idle_since,
                reload_seconds=self._expected.of(resident.name, resident.footprint.bytes),
                pinned=resident.name in self.pinned and resident.leaving is None,
            ),
        )

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _load_error(name: str, raised: BaseException) -> OrfeonError:
    if isinstance(raised, OrfeonError):
        return raised
    if isinstance(raised, MemoryError):
        return OutOfMemory(
            f"There was not enough memory to load model {name!r}; free some, or choose a smaller "
            "model.",
            param="model",
            retry_after=5.0,
        )
    log.error("model not loaded", extra={"model": name}, exc_info=raised)
    return ModelLoadFailed(
        f"Model {name!r} could not be loaded. The failure has been logged; try again later.",
        param="model",
        retry_after=5.0,
    )
