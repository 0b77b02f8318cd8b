"""A service of a node as the tests of its memory see it: loads and unloads that end when told."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from services.runtime.residency import Footprint, Ledger, Placement, Residency
from services.runtime.residency.placement import CPU, CUDA
from services.runtime.residency.resident import Reason
from services.runtime.scheduler import Outcome, Policy, Scheduler, Ticket
from tests.fakes.clock import FakeClock
from tests.fakes.virtual import VirtualLoop

BOTH = frozenset({CPU, CUDA})
FOOTPRINTS = {
    "a": Footprint(60, kinds=BOTH),
    "b": Footprint(60, kinds=BOTH),
    "c": Footprint(40, kinds=BOTH),
    "split": Footprint(80, layers=7, layer_bytes=10, kinds=BOTH),
    "huge": Footprint(1000, kinds=BOTH),
}
TIMEOUT = 8.0


class Node(Protocol):
    """What the processes of a node share."""

    clock: FakeClock
    loop: VirtualLoop
    ledger: Ledger
    ttl: float


@dataclass(eq=False)
class Model:
    """A model in memory, or on its way."""

    name: str
    placement: Placement
    began: float
    gate: "asyncio.Future[None]"
    users: int = 0


@dataclass(eq=False)
class Request:
    """Someone who waits for a model, by a ticket or directly, and then works with it."""

    process: "Process"
    model: str
    direct: bool
    gate: "asyncio.Future[None]"
    task: "asyncio.Task[str]" = None  # type: ignore[assignment]
    began: bool = False


class Process:
    """One service: a residency, a scheduler on top, and loads that end when told."""

    def __init__(self, machine: Node, name: str, slots: int, policy: Policy) -> None:
        self.machine = machine
        self.name = name
        self.in_memory: list[Model] = []
        self.loading: list[Model] = []
        self.unloading: list[asyncio.Future[None]] = []
        self.unloads = "at once"
        self.queued_tickets = 0
        self.max_batch = policy.max_batch
        self.turns: Counter[str] = Counter()
        """Of each model since it was loaded last."""
        self.residency: Residency[Model] = Residency(
            load=self.load,
            unload=self.unload,
            footprint=FOOTPRINTS.__getitem__,
            observer=self,
            ttl=machine.ttl,
            load_timeout=TIMEOUT,
            clock=machine.clock,
        )
        self.holder = machine.ledger.join(name, self.residency)
        self.residency.memory = self.holder
        self.scheduler = Scheduler(
            slots=slots, models=self.residency, observer=self, policy=policy, clock=machine.clock
        )
        self.residency.listener = self.scheduler

    async def load(self, name: str, placement: Placement) -> Model:
        now = self.machine.clock()
        alive = [each for each in self.loading if each.name == name and each.began + TIMEOUT > now]
        assert not alive, "single_flight"
        assert all(model.name != name for model in self.in_memory), "single_flight: it is loaded"
        model = Model(name, placement, now, self.machine.loop.create_future())
        self.loading.append(model)
        try:
            await model.gate
        finally:
            self.loading.remove(model)
        self.in_memory.append(model)
        return model

    async def unload(self, model: Model, placement: Placement) -> int:
        assert model.users == 0, "no_evict_while_held"
        assert placement == model.placement
        try:
            if self.unloads == "slowly":
                gate = self.machine.loop.create_future()
                self.unloading.append(gate)
                await gate
            if self.unloads == "with an error":
                raise OSError("device busy")
        finally:
            self.in_memory.remove(model)
        return 0

    # What metrics would hear.

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        if outcome == "dispatched":
            self.check_dispatch(ticket)

    def queued(self, ticket: Ticket) -> None:
        self.queued_tickets += 1

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        self.queued_tickets -= 1
        if outcome == "dispatched":
            self.check_dispatch(ticket)

    def waited(self, name: str, level: int, seconds: float) -> None:
        assert seconds >= 0

    def loaded(self, name: str, seconds: float, size: int) -> None:
        assert size >= FOOTPRINTS[name].bytes
        self.turns[name] = 0

    def load_failed(self, name: str) -> None:
        pass

    def unloaded(self, name: str, reason: Reason, unreturned: int) -> None:
        pass

    def check_dispatch(self, ticket: Ticket) -> None:
        resident = self.residency._residents[ticket.model]
        if ticket.priority and resident.wanted is not None and resident.wanted.level == 0:
            used = self.turns[ticket.model] >= self.max_batch
            assert not used, "level_0_waits_for_what_is_in_hand_and_one_change_of_models"
        self.turns[ticket.model] += 1
