"""Processes with a queue each, over the memory of one node: a machine with named invariants."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from services.runtime.errors import ModelLoadFailed, OrfeonError, OutOfMemory
from services.runtime.residency import Ledger, State
from services.runtime.residency.placement import CPU
from services.runtime.scheduler import Policy, Ticket
from tests.fakes.clock import FakeClock
from tests.fakes.node import TIMEOUT, Model, Process, Request
from tests.fakes.virtual import VirtualLoop

MODELS = ("a", "a", "b", "b", "c", "split", "huge")
DEVICES: tuple[Mapping[str, int], ...] = ({CPU: 100}, {CPU: 60}, {CPU: 70, "cuda:0": 60})
WHICH = st.integers(0, 9)
End = Literal["comes", "OSError", "MemoryError"]


def end(gate: "asyncio.Future[None]") -> None:
    if not gate.done():
        gate.set_result(None)


class ResidencyMachine(RuleBasedStateMachine):
    """One ledger, up to three processes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.loop = VirtualLoop(self.clock)
        self.processes: list[Process] = []
        self.gone: list[Process] = []
        self.requests: list[Request] = []
        self.asked: list[asyncio.Task[None]] = []
        self.steady = False

    @initialize(
        devices=st.sampled_from(DEVICES),
        slots=st.lists(st.integers(1, 3), min_size=1, max_size=3),
        fair=st.booleans(),
        affinity=st.booleans(),
        ttl=st.sampled_from((-1.0, 0.0, 16.0)),
        patience=st.sampled_from(((4.0, 16.0), (math.inf, math.inf), (0.0, 8.0))),
        max_run=st.integers(0, 2),
        max_per_key=st.sampled_from((0, 0, 1)),
        max_batch=st.sampled_from((1, 1, 2)),
    )
    def begin(
        self,
        devices: Mapping[str, int],
        slots: list[int],
        fair: bool,
        affinity: bool,
        ttl: float,
        patience: tuple[float, float],
        max_run: int,
        max_per_key: int,
        max_batch: int,
    ) -> None:
        self.capacity = devices
        self.ttl = ttl
        self.ledger = Ledger(devices, clock=self.clock)
        policy = Policy(
            max_wait=(math.inf, *patience),
            max_run=max_run,
            fair=fair,
            affinity=affinity,
            max_per_key=max_per_key,
            max_batch=max_batch,
        )
        for number, count in enumerate(slots):
            self.processes.append(Process(self, f"process-{number}", count, policy))
        self.steady = True

    # What happens.

    def do(self, *actions: Callable[[], object], settled: bool = True) -> None:
        """Does things in one moment, and lets what follows happen or leaves that to the next."""
        self.steady = settled
        if settled:
            self.loop.do(*actions)
        else:
            for action in actions:
                self.loop.call_soon(action)

    def process(self, which: int) -> Process:
        return self.processes[which % len(self.processes)]

    @rule(
        which=WHICH,
        model=st.sampled_from(MODELS),
        level=st.sampled_from((0, 1, 1, 2, 2)),
        key=st.sampled_from(("k", "l")),
        cost=st.sampled_from((1.0, 4.0)),
        settled=st.booleans(),
    )
    def submit(
        self, which: int, model: str, level: int, key: str, cost: float, settled: bool
    ) -> None:
        request = self.request(which, model, direct=False)
        ticket = Ticket(model, level, key, cost=cost, batch="x")
        request.task = self.loop.create_task(self.have_a_turn(request, ticket))
        self.do(settled=settled)

    @rule(which=WHICH, model=st.sampled_from(MODELS), evict=st.booleans(), settled=st.booleans())
    def lease(self, which: int, model: str, evict: bool, settled: bool) -> None:
        request = self.request(which, model, direct=True)
        request.task = self.loop.create_task(self.have_directly(request, evict))
        self.do(settled=settled)

    def request(self, which: int, model: str, *, direct: bool) -> Request:
        request = Request(self.process(which), model, direct, self.loop.create_future())
        self.requests.append(request)
        return request

    async def have_a_turn(self, request: Request, ticket: Ticket) -> str:
        try:
            async with request.process.scheduler.turn(ticket):
                await self.use(request, request.process.residency.model(ticket.model))
        except OrfeonError as error:
            return type(error).__name__
        return "done"

    async def have_directly(self, request: Request, evict: bool) -> str:
        try:
            async with request.process.residency.lease(request.model, evict=evict) as model:
                await self.use(request, model)
        except OrfeonError as error:
            return type(error).__name__
        return "done"

    async def use(self, request: Request, model: Model) -> None:
        assert model in request.process.in_memory, "a turn began without its model"
        request.began = True
        model.users += 1
        try:
            await request.gate
        finally:
            model.users -= 1

    def at_work(self) -> list[Request]:
        return [each for each in self.requests if each.began and not each.task.done()]

    @precondition(lambda self: self.at_work())
    @rule(which=WHICH, settled=st.booleans())
    def finish(self, which: int, settled: bool) -> None:
        working = [each for each in self.at_work() if not each.gate.done()]
        if working:
            gate = working[which % len(working)].gate
            self.do(lambda: end(gate), settled=settled)

    @precondition(lambda self: self.requests)
    @rule(which=WHICH, settled=st.booleans())
    def cancel(self, which: int, settled: bool) -> None:
        going = [each for each in self.requests if not each.task.done()]
        if going:
            self.do(going[which % len(going)].task.cancel, settled=settled)

    def loads(self) -> list[tuple[Process, Model]]:
        return [
            (process, model)
            for process in self.processes
            for model in process.loading
            if not model.gate.done()
        ]

    @precondition(lambda self: self.steady and self.loads())
    @rule(which=WHICH, end=st.sampled_from(("comes", "comes", "comes", "OSError", "MemoryError")))
    def load_ends(self, which: int, end: End) -> None:
        process, model = self.loads()[which % len(self.loads())]
        late = model.began + TIMEOUT <= self.clock()
        if end == "comes":
            self.do(lambda: model.gate.set_result(None))
            return
        waiting = [
            each
            for each in self.requests
            if (each.process, each.model, each.began) == (process, model.name, False)
            and not each.task.done()
        ]
        error = OSError("no such file") if end == "OSError" else MemoryError()
        self.do(lambda: model.gate.set_exception(error))
        said = ModelLoadFailed if end == "OSError" else OutOfMemory
        for request in () if late else waiting:
            assert request.task.done(), "failed_load_told_once_to_each_waiter"
            assert request.task.cancelled() or request.task.result() == said.__name__

    @rule(seconds=st.sampled_from((1.0, 4.0, TIMEOUT, 64.0)))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.do(*(process.residency.expire for process in self.processes))
        self.do(*(process.scheduler.changed for process in self.processes))

    @rule(which=WHICH, how=st.sampled_from(("at once", "slowly", "with an error")))
    def unloads_go(self, which: int, how: str) -> None:
        process = self.process(which)
        process.unloads = how
        gates, process.unloading = process.unloading, []
        self.do(*(partial(end, gate) for gate in gates))

    @rule(which=WHICH, model=st.sampled_from(MODELS), pinned=st.booleans())
    def pin(self, which: int, model: str, pinned: bool) -> None:
        self.do(lambda: self.process(which).residency.pin(model, pinned))

    @rule(which=WHICH, model=st.sampled_from(MODELS))
    def ask_to_unload(self, which: int, model: str) -> None:
        self.asked.append(self.loop.create_task(self.process(which).residency.unload(model)))
        self.do()

    @rule(which=WHICH, paused=st.booleans())
    def pause(self, which: int, paused: bool) -> None:
        scheduler = self.process(which).scheduler
        self.do(scheduler.pause if paused else scheduler.resume)

    @precondition(lambda self: len(self.processes) > 1 and len(self.requests) > 5)
    @rule(which=WHICH)
    def vanish(self, which: int) -> None:
        process = self.processes.pop(which % len(self.processes))
        self.gone.append(process)
        self.do(lambda: self.ledger.leave(process.holder))

    # What always holds.

    def settled(self) -> bool:
        return self.steady

    @precondition(settled)
    @invariant()
    def budget_never_exceeded(self) -> None:
        used = self.ledger.used()
        assert all(used[device] <= size for device, size in self.capacity.items())

    @precondition(settled)
    @invariant()
    def granted_memory_matches_what_is_loaded(self) -> None:
        """A lease for each model in memory or on its way, hung loads too, and for nothing else."""
        for process in self.processes:
            leases = Counter(lease.placement for lease in process.holder.leases.values())
            models = [*process.loading, *process.in_memory]
            assert leases == Counter(model.placement for model in models)

    @precondition(settled)
    @invariant()
    def no_hold_without_lease(self) -> None:
        for process in self.processes:
            users = Counter(each.model for each in self.at_work() if each.process is process)
            for name, resident in process.residency._residents.items():
                assert resident.holds == users[name]
                if resident.holds:
                    assert resident.state is State.LOADED
                    assert resident.id in process.holder.leases
            assert set(users) <= set(process.residency._residents)

    @precondition(settled)
    @invariant()
    def claims_are_for_what_someone_waits_for(self) -> None:
        for process in self.processes:
            waiting = {
                each.model
                for each in self.requests
                if each.process is process and not each.began and not each.task.done()
            }
            claimed = {claim.model for claim in process.holder.claims.values()}
            assert claimed <= waiting
            assert len(claimed) == len(process.holder.claims)

    @precondition(settled)
    @invariant()
    def nothing_goes_wrong_unseen(self) -> None:
        assert not self.loop.unseen
        for request in self.requests:
            if request.task.done() and not request.task.cancelled():
                request.task.result()

    # The end.

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.everything_ends()
            self.everything_is_released()
        self.loop.close()

    def everything_ends(self) -> None:
        """no_deadlock: when every load and turn may end, everybody has a turn, and in no time."""
        self.processes += self.gone  # Those that vanished talk to a ledger that has forgotten them.
        for process in self.gone:
            for request in self.requests:
                if request.process is process:
                    request.task.cancel()
        for process in self.processes:
            process.unloads = "at once"
            for name in sorted(set(MODELS)):
                self.do(partial(process.residency.pin, name, False))
            self.do(process.scheduler.resume)
        for _ in range(6 * len(self.requests) + 6):
            gates = [model.gate for _, model in self.loads()]
            gates += [each.gate for each in self.at_work() if not each.gate.done()]
            for process in self.processes:
                gates += process.unloading
                process.unloading = []
            self.do(*(partial(end, gate) for gate in gates))
        assert all(request.task.done() for request in self.requests), "no_deadlock"

    def everything_is_released(self) -> None:
        self.nothing_goes_wrong_unseen()
        closing = [self.loop.create_task(process.residency.close()) for process in self.processes]
        self.do()
        assert all(task.done() for task in closing + self.asked)
        assert not any(self.ledger.used().values()), "everything_released_at_the_end"
        for process in self.processes:
            if process not in self.gone:
                assert not process.holder.claims
                assert not process.holder.leases
            assert not process.in_memory
            assert not process.loading
            assert not process.residency._by_id
            assert not process.residency._residents
            assert not process.residency._direct
            assert not process.residency._tasks
            assert (process.queued_tickets, process.scheduler.queued) == (0, 0)
            assert process.scheduler.running == 0
        assert not asyncio.all_tasks(self.loop)
