"""One device as the product runs it: a ledger, and a residency and a scheduler for each service."""

import asyncio
from dataclasses import dataclass

from bench.simulation.disciplines import Discipline
from bench.simulation.traces import Request
from bench.simulation.workload import Model, Workload
from services.runtime.residency import Footprint, Ledger, Placement, Residency
from services.runtime.residency.placement import CPU
from services.runtime.residency.resident import Reason
from services.runtime.scheduler import Outcome, Scheduler, Ticket


@dataclass
class Counts:
    """What the memory did."""

    loads: int = 0


class _Silent:
    """An observer of queue and memory that has nobody to tell."""

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        """See `Observer` of the scheduler."""

    def queued(self, ticket: Ticket) -> None:
        """See `Observer` of the scheduler."""

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        """See `Observer` of the scheduler."""

    def waited(self, name: str, level: int, seconds: float) -> None:
        """See `Observer` of the residency."""

    def loaded(self, name: str, seconds: float, size: int) -> None:
        """See `Observer` of the residency."""

    def load_failed(self, name: str) -> None:
        """See `Observer` of the residency."""

    def unloaded(self, name: str, reason: Reason, unreturned: int) -> None:
        """See `Observer` of the residency."""


class Node:
    """One device. Every model takes the whole memory, so that one is loaded at a time."""

    def __init__(self, workload: Workload, discipline: Discipline, counts: Counts) -> None:
        self._models = {model.name: model for model in workload.models}
        self._counts = counts
        self._levels = discipline.levels
        clock = asyncio.get_running_loop().time
        ledger = Ledger({CPU: 1}, clock=clock)
        self._queues: dict[str, Scheduler] = {}
        for service in workload.services:
            residency = Residency(
                load=self._load,
                unload=self._unload,
                footprint=lambda _name: Footprint(1),
                observer=_Silent(),
                clock=clock,
            )
            residency.memory = ledger.join(service, residency)
            scheduler = Scheduler(
                slots=1,
                models=residency,
                policy=discipline.policy,
                observer=_Silent(),
                clock=clock,
            )
            residency.listener = scheduler
            for model in workload.models:
                if model.service == service:
                    self._queues[model.name] = scheduler

    async def serve(self, request: Request) -> float:
        """Serves a request; the moment in seconds at which it had waited long enough."""
        ticket = Ticket(
            request.model,
            request.level if self._levels else 0,
            request.key,
            cost=request.seconds,
        )
        async with self._queues[request.model].turn(ticket) as turn:
            await asyncio.sleep(request.seconds)
            return turn.began

    async def _load(self, name: str, _placement: Placement) -> Model:
        self._counts.loads += 1
        model = self._models[name]
        await asyncio.sleep(model.load)
        return model

    async def _unload(self, model: Model, _placement: Placement) -> int:
        await asyncio.sleep(model.unload)
        return 0
