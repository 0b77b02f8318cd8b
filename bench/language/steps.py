"""How much longer a decoding step takes in our engine than in the loop, in the same process."""

import asyncio
import statistics
import time
from itertools import pairwise
from pathlib import Path

from bench.language.raw import RawLoop
from bench.language.systems import CONTEXT, PLACES, THREADS
from bench.language.throughput import TOKENS, rendered, story
from bench.plain import SERVICES, weights
from bench.report import Figure, spread
from services.runtime.llama.generation import (
    Generation,
    LanguageModel,
    Message,
    Piece,
    Sampling,
)
from services.runtime.llama.llama_engine import LlamaEngine
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement

ROUNDS = 8
CONCURRENT = (1, 8)


def _loaded(home: Path) -> LanguageModel:
    registry = Registry(home, [SERVICES / "chat" / "models"])
    manifest = registry.resolve("", "chat")
    engine = LlamaEngine(device="cpu", threads=THREADS, context_length=0, places=PLACES)
    return engine.load(manifest, registry.folder(manifest), Placement(((CPU, 0),)))


async def _step(model: LanguageModel, numbers: range) -> float:
    """Seconds of a step of all these, the median from when all have begun until one has ended."""

    async def moments(number: int) -> list[float]:
        """When the tokens of an answer came."""
        system, user = story(number).turns
        prompt = await asyncio.to_thread(
            model.conversation,
            [Message("system", (system["content"],)), Message("user", (user["content"],))],
        )
        # As the raw loop does: no penalties and the likeliest.
        likeliest = Sampling(temperature=0.0, repeat_penalty=1.0)
        generation = Generation(prompt, likeliest, max_tokens=TOKENS)
        async with model.generate(generation, 1) as pieces:
            return [time.perf_counter() async for piece in pieces if isinstance(piece, Piece)]

    answers = await asyncio.gather(*(moments(number) for number in numbers))
    begun = max(answer[0] for answer in answers)
    ended = min(answer[-1] for answer in answers)
    inside = [moment for moment in answers[0] if begun <= moment <= ended]
    return statistics.median(after - before for before, after in pairwise(inside))


async def measure(folder: Path) -> list[Figure]:
    """Rounds in turns, forth and back."""
    home = folder / "home"
    loop = RawLoop(weights(home), threads=THREADS, sequences=PLACES, context=CONTEXT)
    model = _loaded(home)
    figures = []
    for concurrent in CONCURRENT:
        ours, theirs = [], []
        for turn in range(ROUNDS):
            number = 70_000 + 1000 * concurrent + 10 * turn
            numbers = range(number, number + concurrent)
            for which in ("raw", "engine") if turn % 2 else ("engine", "raw"):
                if which == "raw":
                    prompts = [rendered(story(number)) for number in numbers]
                    theirs.append(loop.run(prompts, TOKENS).step)
                else:
                    ours.append(await _step(model, numbers))
        overheads = [a / b - 1 for a, b in zip(ours, theirs, strict=True)]
        figures += [
            Figure(f"a step of {concurrent}, loop", statistics.median(theirs) * 1e3, "ms"),
            Figure(f"a step of {concurrent}, engine", statistics.median(ours) * 1e3, "ms"),
            Figure(f"longer in the engine, {concurrent}", statistics.median(overheads), "", 0.05,
                   at_least=False, note=spread(overheads)),
        ]  # fmt: skip
    model.close()
    loop.close()
    return figures
