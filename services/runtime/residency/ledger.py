"""Who holds how much of which device, and who is next: a budget that is never exceeded.

The arbiter of a node keeps one for all services; a service without an arbiter keeps its own. Pure
and synchronous: whatever happens, `_settle` grants what can be granted, in order of urgency, and
says which leases are wanted for the rest.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.runtime.errors import OutOfMemory
from services.runtime.residency.memory import Claim, Claimant, Use
from services.runtime.residency.placement import Placement, does_not_fit, plan
from services.runtime.urgency import Urgency

#: How many seconds of idleness weigh as much as one second of loading the model again.
RELOAD_WEIGHT = 10.0


@dataclass(eq=False, slots=True)
class Lease:
    """Memory that a holder has. `wanted` is the urgency of whoever waits for it."""

    holder: "Holder"
    id: int
    model: str
    placement: Placement
    since: float
    use: Use = field(default_factory=Use)
    wanted: Urgency | None = None

    @property
    def evictable(self) -> bool:
        """Whether its holder could ever be asked to give it back."""
        return not self.use.pinned

    def worth(self) -> tuple[int, float]:
        """Sorts what goes first first: the idle, least recently used, cheapest to load again; then
        what is in use; last what is on its way, which may take long and may hang. Of the idle those
        first that were asked before: they are going, and another would go beside them."""
        if not self.use.loaded:
            return (2, 0.0)
        if self.use.idle_since is None:
            return (1, self.use.reload_seconds)
        if self.wanted is not None:
            return (0, -math.inf)
        return (0, self.use.idle_since + RELOAD_WEIGHT * self.use.reload_seconds)


class Holder:
    """One process that holds memory and claims more: a `Memory` of its own. See `Ledger.join`."""

    def __init__(self, ledger: "Ledger", name: str, claimant: Claimant) -> None:
        self.name = name
        self.claimant = claimant
        self.claims: dict[int, Claim] = {}
        self.leases: dict[int, Lease] = {}
        self._ledger = ledger

    def claim(self, claim: Claim) -> None:
        """See `Memory`."""
        self.claims[claim.id] = claim
        self._ledger.settle()

    def update(self, claim_id: int, urgency: Urgency) -> None:
        """See `Memory`."""
        if (old := self.claims.get(claim_id)) is not None:
            self.claims[claim_id] = Claim(old.id, old.model, old.footprint, urgency, old.evict)
            self._ledger.settle()

    def withdraw(self, claim_id: int) -> None:
        """See `Memory`."""
        if self.claims.pop(claim_id, None) is not None:
            self._ledger.settle()

    def report(self, lease_id: int, use: Use) -> None:
        """See `Memory`."""
        if (lease := self.leases.get(lease_id)) is not None:
            lease.use = use
            self._ledger.settle_if_claimed()

    def release(self, lease_id: int) -> None:
        """See `Memory`."""
        if self.leases.pop(lease_id, None) is not None:
            self._ledger.settle()

    def adopt(self, lease_id: int, model: str, placement: Placement, use: Use) -> None:
        """Notes what the holder already has, from before the ledger knew it."""
        self.leases[lease_id] = Lease(self, lease_id, model, placement, self._ledger.clock(), use)
        self._ledger.settle()


class Ledger:
    """The memory of some devices.

    `capacity` is how many bytes of each device may be leased together. `measured`, where given,
    tells what is really free, since others than us may use the devices, too.
    """

    def __init__(
        self,
        capacity: Mapping[str, int],
        *,
        measured: Callable[[], Mapping[str, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capacity = dict(capacity)
        self.holders: list[Holder] = []
        self.clock = clock
        self._measured = measured
        self._paused = False
        self._settling = False
        self._again = False

    def join(self, name: str, claimant: Claimant) -> Holder:
        """Lets a process in."""
        holder = Holder(self, name, claimant)
        self.holders.append(holder)
        return holder

    def leave(self, holder: Holder) -> None:
        """Forgets a process: it is gone, and its memory with it."""
        if holder in self.holders:
            self.holders.remove(holder)
            self.settle()

    @property
    def leases(self) -> list[Lease]:
        """Every lease of every holder."""
        return [lease for holder in self.holders for lease in holder.leases.values()]

    def used(self) -> dict[str, int]:
        """Leased bytes by device."""
        return self._sum(self.leases)

    def free(self) -> dict[str, int]:
        """Bytes by device that can be granted now; never negative."""
        return self._free(self._measure())

    def _free(
        self, measured: Mapping[str, int], loading: Mapping[str, int] | None = None
    ) -> dict[str, int]:
        """As `free`, less what loads on their way will take: all of it, or what `loading` says."""
        used = self.used()
        free = {device: size - used.get(device, 0) for device, size in self.capacity.items()}
        if loading is None:
            loading = self._sum([lease for lease in self.leases if not lease.use.loaded])
        for device, size in measured.items():
            if device in free:
                free[device] = min(free[device], size - loading.get(device, 0))
        return {device: max(0, size) for device, size in free.items()}

    def _measure(self) -> Mapping[str, int]:
        return {} if self._measured is None else self._measured()

    def pause(self) -> None:
        """Grants nothing until `resume`: after a restart, until all holders have come back."""
        self._paused = True

    def resume(self) -> None:
        """Grants again."""
        self._paused = False
        self.settle()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Whatever changes in the block is one change: nothing is granted before its end."""
        if self._settling:  # Or in a block around this one: who settles there sees it all.
            yield
            return
        self._settling = True
        try:
            yield
        finally:
            self._settling = False
            self.settle()

    def settle(self) -> None:
        """Grants what can be granted and asks back what cannot. Called on every change."""
        self._again = True
        if self._settling or self._paused:
            return
        self._settling = True
        try:
            while self._again:
                self._again = False
                for tell in self._decide():
                    tell()
        finally:
            self._settling = False

    def settle_if_claimed(self) -> None:
        """Spares the work where nobody waits: leases are used and left with every request."""
        if any(holder.claims for holder in self.holders):
            self.settle()

    def _decide(self) -> list[Callable[[], None]]:
        """One pass over all claims; what to tell whom."""
        now = self.clock()
        told: list[Callable[[], None]] = []
        wanted: dict[Lease, Urgency] = {}
        measured = self._measure()
        real = self._free(measured)
        # What will be free once those asked have given back, less what is kept for them who wait.
        later = dict(real)
        candidates = sorted(filter(_is_evictable, self.leases), key=Lease.worth)
        # At most: what a load has taken so far is not free, and nobody knows how much that is.
        everything = self._with(self._free(measured, loading={}), candidates)
        waiting = [(holder, claim) for holder in self.holders for claim in holder.claims.values()]
        for holder, claim in sorted(waiting, key=lambda each: each[1].urgency.rank(now)):
            room = {device: min(real[device], later[device]) for device in real}
            placement = plan(claim.footprint, room)
            if placement is not None and not self._is_better_later(
                claim, placement, later, candidates
            ):
                told.append(self._grant(holder, claim, placement, now))
                self._take(real, placement)
                self._take(later, placement)
            elif plan(claim.footprint, everything) is None:
                told.append(self._refuse(holder, claim, everything))
            elif not claim.evict:
                told.append(self._refuse(holder, claim, room))
            else:
                self._ask_back(claim, later, candidates, wanted)
        return told + self._notices(wanted)

    def _is_better_later(
        self,
        claim: Claim,
        placement: Placement,
        later: Mapping[str, int],
        candidates: list[Lease],
    ) -> bool:
        """Whether a whole GPU is to be had instead, once idle models have gone."""
        if not claim.evict or placement.gpu_layers == -1:
            return False
        idle = [lease for lease in candidates if lease.worth()[0] == 0]
        better = plan(claim.footprint, self._with(later, idle))
        return better is not None and better.gpu_layers == -1

    def _ask_back(
        self,
        claim: Claim,
        later: dict[str, int],
        candidates: list[Lease],
        wanted: dict[Lease, Urgency],
    ) -> None:
        """Chooses whose memory a claim waits for: of the idle if that is enough, else of all."""
        for pool in ([each for each in candidates if each.worth()[0] == 0], candidates):
            placement = plan(claim.footprint, self._with(later, pool))
            if placement is None:
                continue
            for lease in _needed(placement, later, pool):
                wanted[lease] = claim.urgency
                candidates.remove(lease)
                self._take(later, lease.placement, sign=-1)
            self._take(later, placement)
            return

    def _grant(
        self, holder: Holder, claim: Claim, placement: Placement, now: float
    ) -> Callable[[], None]:
        del holder.claims[claim.id]
        holder.leases[claim.id] = Lease(holder, claim.id, claim.model, placement, now)
        # Those who wait on may want what has just been granted.
        self._again = True
        return lambda: holder.claimant.granted(claim.id, placement)

    def _refuse(self, holder: Holder, claim: Claim, room: Mapping[str, int]) -> Callable[[], None]:
        del holder.claims[claim.id]
        error: OutOfMemory = does_not_fit(claim.model, claim.footprint, room)
        return lambda: holder.claimant.refused(claim.id, error)

    def _notices(self, wanted: Mapping[Lease, Urgency]) -> list[Callable[[], None]]:
        notices = []
        for lease in self.leases:
            urgency = wanted.get(lease)
            if urgency != lease.wanted:
                lease.wanted = urgency
                notices.append(_notice(lease, urgency))
        return notices

    def _sum(self, leases: list[Lease]) -> dict[str, int]:
        return self._with(dict.fromkeys(self.capacity, 0), leases)

    def _with(self, room: Mapping[str, int], leases: list[Lease]) -> dict[str, int]:
        """`room`, had these leases been given back."""
        total = dict(room)
        for lease in leases:
            self._take(total, lease.placement, sign=-1)
        return total

    @staticmethod
    def _take(room: dict[str, int], placement: Placement, sign: int = 1) -> None:
        for device, size in placement.parts:
            room[device] = room.get(device, 0) - sign * size


def _is_evictable(lease: Lease) -> bool:
    return lease.evictable


def _notice(lease: Lease, urgency: Urgency | None) -> Callable[[], None]:
    return lambda: lease.holder.claimant.wanted(lease.id, urgency)


def _needed(placement: Placement, room: Mapping[str, int], pool: list[Lease]) -> list[Lease]:
    """The fewest of `pool`, taken in its order, that make `room` for a placement."""
    lacking = {device: size - room.get(device, 0) for device, size in placement.parts}

    def helps(lease: Lease) -> bool:
        return any(lacking.get(device, 0) > 0 for device, _ in lease.placement.parts)

    chosen: list[Lease] = []
    for lease in pool:
        if helps(lease):
            chosen.append(lease)
            for device, size in lease.placement.parts:
                if device in lacking:
                    lacking[device] -= size
    for lease in list(chosen):  # The first may have become superfluous by a later, larger one.
        gives = {device: size for device, size in lease.placement.parts if device in lacking}
        if all(lacking[device] + size <= 0 for device, size in gives.items()):
            chosen.remove(lease)
            for device, size in gives.items():
                lacking[device] += size
    return chosen
