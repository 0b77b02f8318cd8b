"""What the queue itself costs: microseconds per ticket that comes and ticket that goes.

The line alone; and the whole scheduler on asyncio, beside the least that any queue there costs.
"""

import asyncio
import itertools
import random
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bench.report import Figure, print_figures
from services.runtime.scheduler import Observer, Outcome, Policy, Scheduler, Ticket
from services.runtime.scheduler.lanes import Waiting
from services.runtime.scheduler.line import Line
from services.runtime.telemetry import ServiceMetrics
from services.runtime.urgency import Urgency

LENGTHS = (100, 1_000, 10_000, 100_000)
OPERATIONS = 20_000
ROUNDS = 5
ROOM = 10**9
POLICY = Policy(max_queued=ROOM, max_queued_per_level=(ROOM, ROOM, ROOM))


class _Memory:
    """One of three models is always there, and takes work."""

    def is_ready(self, model: str) -> bool:
        return model == "model0"

    def load_seconds(self, model: str) -> float:
        return 0.0

    def hold(self, model: str) -> None:
        pass

    def release(self, model: str) -> None:
        pass

    def demand(self, wanted: Mapping[str, Urgency]) -> None:
        pass


def _ticket(chance: random.Random, models: int) -> Ticket:
    """Of any level, 3 models, 50 keys, any size."""
    level = chance.choices((0, 1, 2), (2, 3, 5))[0]
    model = f"model{chance.randrange(models)}"
    return Ticket(model, level, f"key{chance.randrange(50)}", cost=chance.uniform(1, 1000))


def line(length: int) -> float:
    """Microseconds to add one ticket and take the next, `length` others waiting."""
    chance = random.Random(length)
    arrivals = itertools.count()
    models = _Memory()
    queue = Line(POLICY, models.is_ready)

    def waiting() -> Waiting:
        ticket = _ticket(chance, 3)
        return Waiting(ticket, next(arrivals), Urgency(ticket.priority, 0.0, 100.0))

    for _ in range(length):
        queue.add(waiting())
    coming = [waiting() for _ in range(OPERATIONS)]
    began = time.perf_counter()
    for each in coming:
        queue.add(each)
        first = queue.next(1.0)
        assert first is not None
        queue.take(first)
        queue.end(first.ticket, None)
    return (time.perf_counter() - began) / OPERATIONS * 1e6


class _Bare:
    """What no queue on asyncio can do without: a task and a future for each ticket, and a deque."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._busy = False

    @asynccontextmanager
    async def turn(self, ticket: Ticket) -> AsyncIterator[None]:
        """Waits for the ticket's turn, strictly by arrival."""
        if self._busy:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        self._busy = True
        try:
            yield
        finally:
            if self._waiting:
                self._waiting.popleft().set_result(None)
            else:
                self._busy = False


class _Unobserved:
    """Hears nothing."""

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        pass

    def queued(self, ticket: Ticket) -> None:
        pass

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        pass


def _scheduler(observer: Observer) -> Scheduler:
    return Scheduler(slots=1, models=_Memory(), observer=observer, policy=POLICY)


async def through(queue: Scheduler | _Bare, length: int) -> float:
    """Microseconds from one ticket's task to the end of another's, `length` others waiting."""
    chance = random.Random(length)
    tickets = iter([_ticket(chance, 1) for _ in range(length + 1 + OPERATIONS)])
    release = asyncio.Semaphore(0)

    async def work() -> None:
        async with queue.turn(next(tickets)):
            await release.acquire()

    # Nobody else keeps the tasks, so that those that have ended are no load on the collector.
    create = asyncio.get_running_loop().create_task
    for _ in range(length + 1):
        create(work())
    await asyncio.sleep(0)
    began = time.perf_counter()
    for _ in range(OPERATIONS):
        create(work())
        release.release()
        await asyncio.sleep(0)
    took = (time.perf_counter() - began) / OPERATIONS * 1e6
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    return took


def queues(length: int) -> tuple[float, float, float]:
    """Microseconds of the bare queue, of the scheduler, and of the scheduler with its metrics."""
    rounds = [
        (
            asyncio.run(through(_Bare(), length)),
            asyncio.run(through(_scheduler(_Unobserved()), length)),
            asyncio.run(through(_scheduler(ServiceMetrics("bench", "0")), length)),
        )
        for _ in range(ROUNDS)
    ]
    bare, unobserved, observed = (statistics.median(times) for times in zip(*rounds, strict=True))
    return bare, unobserved, observed


def main() -> None:
    """Measures and prints."""
    alone = {n: statistics.median(line(n) for _ in range(ROUNDS)) for n in LENGTHS}
    whole = {n: queues(n) for n in LENGTHS}
    figures = [
        Figure(f"the order, {n:,} waiting", alone[n], "us", 20.0, at_least=False) for n in LENGTHS
    ]
    for n, (bare, unobserved, observed) in whole.items():
        figures += [
            Figure(f"a bare asyncio queue, {n:,} waiting", bare, "us"),
            Figure(f"the scheduler, {n:,} waiting", unobserved, "us"),
            Figure(f"the scheduler less the bare queue, {n:,} waiting", unobserved - bare, "us",
                   20.0, at_least=False),
            Figure(f"the scheduler with its metrics, {n:,} waiting", observed, "us"),
        ]  # fmt: skip
    figures.append(
        Figure("the order, 100,000 : 100 waiting", alone[LENGTHS[-1]] / alone[LENGTHS[0]], "x",
               1.5, at_least=False)
    )  # fmt: skip
    print_figures("A ticket in and a ticket out of the queue", figures)
