"""The ledger against every order of claims, leases and holders that vanish, invariants by name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from services.runtime.errors import OrfeonError, OutOfMemory
from services.runtime.residency.ledger import Holder, Lease, Ledger
from services.runtime.residency.memory import Claim, Use
from services.runtime.residency.placement import CPU, CUDA, Footprint, Placement, plan
from services.runtime.urgency import Urgency
from tests.fakes.claimant import NotingClaimant, a_claim
from tests.fakes.clock import FakeClock
from tests.fakes.virtual import looking

WHICH = st.integers(0, 9)
FOOTPRINTS = (
    *(Footprint(size) for size in (0, 1, 10, 30, 50, 90, 100, 101)),
    *(Footprint(size, kinds=frozenset({CPU, CUDA})) for size in (10, 40, 100)),
    *(Footprint(size, kinds=frozenset({CUDA})) for size in (10, 60)),
    Footprint(80, layers=7, layer_bytes=10, kinds=frozenset({CPU, CUDA})),
)
DEVICES = (
    {CPU: 100},
    {CPU: 100, "cuda:0": 60},
    {CPU: 50, "cuda:0": 40, "cuda:1": 60},
)
URGENCIES = st.builds(
    Urgency, st.sampled_from((0, 1, 1, 2)), st.integers(0, 8), st.sampled_from((4, 16, math.inf))
)


@dataclass(eq=False)
class Process:
    """A claimant that believes what it is told, and notes what it was told twice."""

    machine: "LedgerMachine"
    holder: Holder = field(init=False)
    claims: dict[int, Claim] = field(default_factory=dict)
    leases: dict[int, Placement] = field(default_factory=dict)
    pinned: set[int] = field(default_factory=set)
    asked_back: dict[int, Urgency] = field(default_factory=dict)

    def granted(self, claim_id: int, placement: Placement) -> None:
        claim = self.claims.pop(claim_id)  # A second answer would be a KeyError.
        self.leases[claim_id] = placement
        assert self.machine.running, "pause: nothing is granted"
        size = sum(size for _, size in placement.parts)
        assert size >= claim.footprint.bytes
        assert {device.split(":")[0] for device, _ in placement.parts} <= claim.footprint.kinds

    def refused(self, claim_id: int, error: OrfeonError) -> None:
        claim = self.claims.pop(claim_id)
        assert isinstance(error, OutOfMemory)
        if claim.evict:
            assert not self.machine.could_ever_fit(claim), "refuses_only_what_cannot_fit"

    def wanted(self, lease_id: int, urgency: Urgency | None) -> None:
        assert lease_id in self.leases
        if urgency is None:
            del self.asked_back[lease_id]
        else:
            assert lease_id not in self.pinned, "never_asks_back_pinned"
            self.asked_back[lease_id] = urgency


class LedgerMachine(RuleBasedStateMachine):
    """Some processes that claim memory of one ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.processes: list[Process] = []
        self.numbers = iter(range(10**9))
        self.outside: Mapping[str, int] = {}
        self.running = True
        self.adopted = False

    @initialize(devices=st.sampled_from(DEVICES), measured=st.booleans())
    def begin(self, devices: Mapping[str, int], measured: bool) -> None:
        self.capacity = devices
        self.measures = measured
        self.outside = dict.fromkeys(devices, 0)
        self.ledger = Ledger(
            devices, measured=self.measured if measured else None, clock=self.clock
        )
        self.join()

    def measured(self) -> dict[str, int]:
        """What is really free: others use the devices, and leases that are loaded."""
        free = {device: size - self.outside[device] for device, size in self.capacity.items()}
        for lease in self.ledger.leases:
            if lease.use.loaded:
                for device, size in lease.placement.parts:
                    free[device] -= size
        return {device: max(0, size) for device, size in free.items()}

    def book(self) -> dict[str, int]:
        """What is left of capacity and of what is measured, as it is: perhaps negative."""
        free = dict(self.capacity)
        for process in self.processes:
            for placement in process.leases.values():
                for device, size in placement.parts:
                    free[device] -= size
        if self.measures:
            coming = [lease for lease in self.ledger.leases if not lease.use.loaded]
            really = self.measured()
            for lease in coming:
                for device, size in lease.placement.parts:
                    really[device] -= size
            free = {device: min(size, really[device]) for device, size in free.items()}
        return free

    def could_ever_fit(self, claim: Claim) -> bool:
        """Whether there would be room, had every lease that is not pinned been given back."""
        room = self.book()
        for process in self.processes:
            for lease_id, placement in process.leases.items():
                if lease_id not in process.pinned:
                    for device, size in placement.parts:
                        room[device] += size
        return plan(claim.footprint, room) is not None

    # What happens.

    @precondition(lambda self: len(self.processes) < 3)
    @rule()
    def join(self) -> None:
        process = Process(self)
        process.holder = self.ledger.join(f"process-{len(self.processes)}", process)
        self.processes.append(process)

    @precondition(lambda self: len(self.processes) > 1)
    @rule(which=WHICH)
    def vanish(self, which: int) -> None:
        process = self.processes.pop(which % len(self.processes))
        self.ledger.leave(process.holder)
        self.ledger.leave(process.holder)

    @rule(
        which=WHICH,
        footprint=st.sampled_from(FOOTPRINTS),
        urgency=URGENCIES,
        evict=st.sampled_from((True, True, True, False)),
    )
    def claim(self, which: int, footprint: Footprint, urgency: Urgency, evict: bool) -> None:
        process = self.processes[which % len(self.processes)]
        number = next(self.numbers)
        claim = Claim(number, f"model-{number}", footprint, urgency, evict)
        process.claims[number] = claim
        process.holder.claim(claim)
        if not evict and self.running:
            assert number not in process.claims, "without eviction the answer comes at once"

    def waiting(self) -> list[tuple[Process, int]]:
        return [(process, number) for process in self.processes for number in process.claims]

    def leased(self) -> list[tuple[Process, int]]:
        return [(process, number) for process in self.processes for number in process.leases]

    @precondition(lambda self: self.waiting())
    @rule(which=WHICH, urgency=URGENCIES)
    def update(self, which: int, urgency: Urgency) -> None:
        process, number = self.waiting()[which % len(self.waiting())]
        process.claims[number] = replace(process.claims[number], urgency=urgency)
        process.holder.update(number, urgency)

    @precondition(lambda self: self.waiting())
    @rule(which=WHICH)
    def withdraw(self, which: int) -> None:
        process, number = self.waiting()[which % len(self.waiting())]
        del process.claims[number]
        process.holder.withdraw(number)
        process.holder.withdraw(number)

    @precondition(lambda self: self.leased())
    @rule(
        which=WHICH,
        idle=st.booleans(),
        reload=st.sampled_from((0.0, 1.0, 4.0)),
        pinned=st.sampled_from((False, False, False, True)),
    )
    def report(self, which: int, idle: bool, reload: float, pinned: bool) -> None:
        process, number = self.leased()[which % len(self.leased())]
        (process.pinned.add if pinned else process.pinned.discard)(number)
        process.holder.report(number, Use(True, self.clock() if idle else None, reload, pinned))

    @precondition(lambda self: self.leased())
    @rule(which=WHICH, asked=st.booleans())
    def release(self, which: int, asked: bool) -> None:
        leased = self.leased()
        if asked:
            leased = [each for each in leased if each[1] in each[0].asked_back] or leased
        process, number = leased[which % len(leased)]
        del process.leases[number]
        process.pinned.discard(number)
        process.asked_back.pop(number, None)
        process.holder.release(number)
        process.holder.release(number)

    @rule(which=WHICH, size=st.sampled_from((10, 50, 120)), pinned=st.booleans())
    def adopt(self, which: int, size: int, pinned: bool) -> None:
        process, number = self.processes[which % len(self.processes)], next(self.numbers)
        placement = Placement(((CPU, size),))
        process.leases[number] = placement
        if pinned:
            process.pinned.add(number)
        self.adopted = True
        use = Use(True, self.clock(), 1.0, pinned)
        process.holder.adopt(number, f"model-{number}", placement, use)

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.running = not paused
        (self.ledger.pause if paused else self.ledger.resume)()

    @precondition(lambda self: self.measures)
    @rule(size=st.sampled_from((0, 20, 90)))
    def others_use_the_device(self, size: int) -> None:
        self.outside = {device: min(size, whole) for device, whole in self.capacity.items()}
        self.ledger.settle()

    @rule(seconds=st.sampled_from((1.0, 4.0, 1e6)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.ledger.settle()

    # What always holds.

    def ready(self) -> bool:
        return hasattr(self, "ledger")

    @precondition(ready)
    @invariant()
    def the_ledger_knows_what_the_holders_know(self) -> None:
        for process in self.processes:
            assert process.holder.claims == process.claims
            assert {
                number: lease.placement for number, lease in process.holder.leases.items()
            } == process.leases
        told = {lease.id: lease.wanted for lease in self.ledger.leases if lease.wanted}
        believed = {
            number: urgency
            for process in self.processes
            for number, urgency in process.asked_back.items()
        }
        assert told == believed

    @precondition(lambda self: self.ready() and not self.adopted)
    @invariant()
    def never_grants_beyond_capacity(self) -> None:
        used = self.ledger.used()
        assert all(used[device] <= size for device, size in self.capacity.items())

    @precondition(lambda self: self.ready() and self.running)
    @invariant()
    def grants_in_order_of_rank(self) -> None:
        """Nobody waits for what is there, unless it is kept for someone more urgent."""
        room = {device: max(0, size) for device, size in self.book().items()}
        claims = [claim for process in self.processes for claim in process.claims.values()]
        if claims:
            first = min(claims, key=lambda claim: claim.urgency.rank(self.clock()))
            rank = first.urgency.rank(self.clock())
            for claim in claims:
                if claim.urgency.rank(self.clock()) == rank:
                    fits = plan(claim.footprint, room) is not None
                    assert not fits or claim is not first, "the most urgent claim is not granted"

    @precondition(lambda self: self.ready() and self.running)
    @invariant()
    def nothing_is_refused_late(self) -> None:
        for process in self.processes:
            assert all(claim.evict for claim in process.claims.values())

    @precondition(lambda self: self.ready() and self.running)
    @invariant()
    def wanted_leases_suffice_for_the_most_urgent(self) -> None:
        claims = [claim for process in self.processes for claim in process.claims.values()]
        room = self.book()
        if not claims or min(room.values()) < 0:
            return  # What is owed already has to come back first.
        if self.measures and not all(lease.use.loaded for lease in self.ledger.leases):
            return  # How much there will be is known when the loads have ended.
        for lease in self.wanted():
            for device, size in lease.placement.parts:
                room[device] += size
        now = self.clock()
        best = min(claim.urgency.rank(now) for claim in claims)
        firsts = [claim for claim in claims if claim.urgency.rank(now) == best]
        assert any(plan(claim.footprint, room) for claim in firsts)

    @precondition(ready)
    @invariant()
    def nothing_is_wanted_when_nobody_waits(self) -> None:
        if self.running and not any(process.claims for process in self.processes):
            assert not self.wanted()

    @precondition(lambda self: self.ready() and self.running)
    @invariant()
    def never_asks_back_pinned(self) -> None:
        assert not any(lease.use.pinned for lease in self.wanted())

    @precondition(lambda self: self.ready() and self.running)
    @invariant()
    def the_idle_go_before_those_in_use(self) -> None:
        """What is in use is asked back only where giving back all that is idle is not enough."""
        wanted = self.wanted()
        claims = [claim for process in self.processes for claim in process.claims.values()]
        if len(claims) != 1 or not any(lease.use.idle_since is None for lease in wanted):
            return
        room = {device: max(0, size) for device, size in self.book().items()}
        for lease in self.ledger.leases:
            if lease.use.idle_since is not None and not lease.use.pinned:
                for device, size in lease.placement.parts:
                    room[device] += size
        assert plan(claims[0].footprint, room) is None

    @precondition(lambda self: self.ready() and self.running and self.capacity == {CPU: 100})
    @invariant()
    def a_load_that_may_hang_is_waited_for_last(self) -> None:
        claims = [claim for process in self.processes for claim in process.claims.values()]
        if len(claims) != 1 or not any(not lease.use.loaded for lease in self.wanted()):
            return
        room = max(0, self.book()[CPU])
        for lease in self.ledger.leases:
            if lease.use.loaded and not lease.use.pinned:
                room += lease.placement.bytes
        assert claims[0].footprint.bytes > room

    def wanted(self) -> list[Lease]:
        return [lease for lease in self.ledger.leases if lease.wanted is not None]

    # The end.

    def teardown(self) -> None:
        """Everybody gives back what is asked of them: every claim has an answer."""
        if not self.ready():
            return
        self.pause(False)
        for process in self.processes:
            for number in list(process.pinned):
                process.pinned.discard(number)
                process.holder.report(number, Use(True, self.clock()))
        for _ in range(200):
            for process, number in self.leased():  # Every load ends, also of what comes below.
                process.holder.report(number, Use(True, self.clock()))
            if not self.waiting():
                break
            asked = [(each, number) for each in self.processes for number in each.asked_back]
            assert asked, "no_deadlock: someone waits and nobody is asked to give anything back"
            process, number = asked[0]
            del process.leases[number], process.asked_back[number]
            process.holder.release(number)
        assert not self.waiting(), "no_deadlock"
        for process, number in self.leased():
            del process.leases[number]
            process.holder.release(number)
        assert not any(self.ledger.used().values()), "everything_released"
        assert self.ledger.free() == (self.measured() if self.measures else dict(self.capacity))


TestLedger = LedgerMachine.TestCase
TestLedger.settings = looking(120)


def test_nothing_is_refused_for_what_a_load_on_its_way_has_taken_already() -> None:
    free = {CPU: 118}
    ledger, claimant = Ledger({CPU: 100}, measured=lambda: free), NotingClaimant()
    holder = ledger.join("chat", claimant)
    holder.claim(a_claim(1, 50))
    free[CPU] -= 45
    holder.claim(a_claim(2, 80))
    assert claimant.words() == [("granted", 1)]

    free[CPU] -= 5
    holder.report(1, Use(loaded=True, idle_since=0.0))
    assert claimant.words() == [("granted", 1), ("wanted", 1)]
    free[CPU] += 50
    holder.release(1)
    assert claimant.words()[2:] == [("granted", 2)]
