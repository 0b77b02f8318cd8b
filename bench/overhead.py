"""What the queue itself costs: microseconds per ticket that comes and ticket that goes.

The line alone, and the whole scheduler with its futures, turns and metrics, at several lengths.
"""

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Mapping

from bench.report import Figure, print_figures
from services.runtime.scheduler import Policy, Scheduler, Ticket
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


async def scheduler(length: int) -> float:
    """The same through the scheduler: a task for each ticket, its future, its turn, its metrics."""
    chance = random.Random(length)
    queue = Scheduler(
        slots=1, models=_Memory(), observer=ServiceMetrics("bench", "0"), policy=POLICY
    )
    release = asyncio.Semaphore(0)

    async def work() -> None:
        async with queue.turn(_ticket(chance, 1)):
            await release.acquire()

    tasks = {asyncio.create_task(work()) for _ in range(length + 1)}
    await asyncio.sleep(0)
    began = time.perf_counter()
    for _ in range(OPERATIONS):
        tasks.add(asyncio.create_task(work()))
        release.release()
        await asyncio.sleep(0)
    took = (time.perf_counter() - began) / OPERATIONS * 1e6
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return took


def main() -> None:
    """Measures and prints."""
    alone = {n: statistics.median(line(n) for _ in range(ROUNDS)) for n in LENGTHS}
    whole = {n: asyncio.run(scheduler(n)) for n in LENGTHS}
    figures = [
        Figure(f"the order, {n:,} waiting", alone[n], "us", 20.0, at_least=False) for n in LENGTHS
    ]
    figures += [Figure(f"the scheduler on asyncio, {n:,} waiting", whole[n], "us") for n in LENGTHS]
    figures.append(
        Figure("the order, 100,000 : 100 waiting", alone[LENGTHS[-1]] / alone[LENGTHS[0]], "x",
               1.5, at_least=False)
    )  # fmt: skip
    print_figures("A ticket in and a ticket out of the queue", figures)
