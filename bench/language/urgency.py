"""What an urgent request waits while eight others are answered, and what letting it pass costs."""

import asyncio
import itertools
import random
import statistics
from collections.abc import Iterator, Mapping

import numpy as np

from bench.language.client import Client, Question, clients
from bench.language.systems import PLACES, System
from bench.language.throughput import story
from bench.report import Figure, spread

ROUNDS = 4
#: Urgent requests a round, fewer where each waits for seconds.
URGENT = {"orfeon": 12, "llama-server": 12, "llama_cpp.server": 3}
#: Answers under which the urgent ones come are of so many tokens, so that they do not end together.
LENGTHS = range(48, 145)
#: How much work is done twice, with and without preemption, and seconds between urgent requests.
BACKGROUND, BACKGROUND_TOKENS = 32, 64
PASSING, PASSING_TOKENS, INTERVAL = 12, 16, 1.0


def urgent(number: int, level: int, tokens: int = 8) -> Question:
    """A short question, unlike any other from its first words on."""
    turns = [
        {"role": "system", "content": f"{number} is the number of the room that calls."},
        {"role": "user", "content": "A guest asks what to do when the lift has stopped. Explain."},
    ]
    return Question(turns, tokens, level)


async def _crowd(client: Client, numbers: Iterator[int], ending: asyncio.Event) -> None:
    chance = random.Random(next(numbers))
    while not ending.is_set():
        await client.ask(_background(next(numbers), chance.choice(LENGTHS)))


def _background(number: int, tokens: int) -> Question:
    return Question(story(number).turns, tokens, level=2)


async def _waits(client: Client, numbers: Iterator[int], count: int) -> list[float]:
    """Seconds to the first words of urgent requests, one at a time, at odd moments."""
    chance = random.Random(next(numbers))
    waits = []
    for _ in range(count):
        await asyncio.sleep(chance.uniform(0.2, 1.2))
        waits.append((await client.ask(urgent(next(numbers), 0))).first)
    return waits


async def _beside(client: Client, numbers: Iterator[int], count: int) -> list[float]:
    ending = asyncio.Event()
    crowd = [asyncio.create_task(_crowd(client, numbers, ending)) for _ in range(PLACES)]
    await asyncio.sleep(4)
    waits = await _waits(client, numbers, count)
    ending.set()
    await asyncio.gather(*crowd)
    return waits


async def _all_of_it(client: Client, numbers: Iterator[int], level: int) -> float:
    """Seconds for the same work, a part of which comes later and at this level."""
    waiting = [_background(next(numbers), BACKGROUND_TOKENS) for _ in range(BACKGROUND)]

    async def work() -> None:
        while waiting:
            await client.ask(waiting.pop())

    async def passing(at: int) -> None:
        await asyncio.sleep(1 + at * INTERVAL)
        await client.ask(urgent(next(numbers), level, PASSING_TOKENS))

    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(work() for _ in range(PLACES)), *(passing(n) for n in range(PASSING)))
    return loop.time() - began


async def measure(systems: Mapping[str, System]) -> list[Figure]:
    """Rounds in turns, forth and back."""
    # Every number once: no prompt is like an earlier one.
    numbers = itertools.count(10_001)
    beside: dict[str, list[float]] = {name: [] for name in systems}
    idle: list[float] = []
    costs: list[float] = []
    async with clients(*systems.values()) as asked:
        servers = dict(zip(systems, asked, strict=True))
        ours = servers["orfeon"]
        for turn in range(ROUNDS):
            for name in systems if turn % 2 else reversed(list(systems)):
                if name == "orfeon":
                    idle += await _waits(ours, numbers, URGENT[name])
                beside[name] += await _beside(servers[name], numbers, URGENT[name])
            levels = (0, 2) if turn % 2 else (2, 0)
            seconds = {level: await _all_of_it(ours, numbers, level) for level in levels}
            costs.append(seconds[0] / seconds[2] - 1)
    return [*_waiting(beside, idle), _cost(costs)]


def _waiting(beside: Mapping[str, list[float]], idle: list[float]) -> list[Figure]:
    figures = []
    for share in (0.5, 0.95):
        mark = f"p{share * 100:.0f}"
        ours, alone = (float(np.quantile(waits, share)) for waits in (beside["orfeon"], idle))
        figures += [
            Figure(f"first words, nobody else there, {mark}", alone, "s"),
            Figure(f"first words under eight others, Orfeón, {mark}", ours, "s"),
            Figure(f"Orfeón under eight : nobody else, {mark}", ours / alone, "x", 1.5,
                   at_least=False),
        ]  # fmt: skip
        for name in ("llama-server", "llama_cpp.server"):
            theirs = float(np.quantile(beside[name], share))
            figures += [
                Figure(f"first words under eight others, {name}, {mark}", theirs, "s",
                       note=f"of {len(beside[name])}"),
                Figure(f"{name} : Orfeón, {mark}", theirs / ours, "x", 5.0),
            ]  # fmt: skip
    return figures


def _cost(costs: list[float]) -> Figure:
    return Figure("throughput lost to preemption", statistics.median(costs), "", 0.04,
                  at_least=False, note=spread(costs))  # fmt: skip
