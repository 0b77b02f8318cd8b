"""Whether the service's memory stays as it is, request after request."""

import asyncio
import itertools

from bench.language.client import Question, clients
from bench.language.systems import PLACES, System
from bench.language.throughput import story
from bench.processes import process_of
from bench.report import Figure

#: Requests before the first look, until when caches fill, and from then to the second.
BEFORE, BETWEEN = 300, 1000


async def measure(system: System) -> list[Figure]:
    """Asks in eights and looks twice."""
    numbers = itertools.count(50_000)
    chat = process_of(system.pid, "services.chat")

    async with clients(system) as (client,):

        async def ask(count: int) -> int:
            """Bytes resident after so many more requests."""
            left = iter(range(count))

            async def worker() -> None:
                for at in left:
                    await client.ask(Question(story(next(numbers)).turns, 2 + at % 8))

            await asyncio.gather(*(worker() for _ in range(PLACES)))
            return chat.memory_info().rss

        before, after = await ask(BEFORE), await ask(BETWEEN)
    return [
        Figure(f"chat, resident after {BEFORE} requests", before / 2**20, "MiB"),
        Figure(f"growth over {BETWEEN} more", after / before - 1, "", 0.02, at_least=False),
    ]
