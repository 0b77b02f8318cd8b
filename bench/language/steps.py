"""How much of a step our engine spends outside llama.cpp's decoding."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from llama_cpp import llama_cpp

from bench.language.systems import PLACES, THREADS
from bench.language.throughput import TOKENS, story
from bench.plain import SERVICES
from bench.report import Figure, spread
from services.runtime.llama.generation import (
    Finished,
    Generation,
    LanguageModel,
    Message,
    Sampling,
)
from services.runtime.llama.llama_engine import LlamaEngine
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement

ROUNDS = 6
CONCURRENT = (1, 8)


class Stopwatch:
    """When llama.cpp decoded: takes the place of its function."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []
        self._decode = llama_cpp.llama_decode

    def __call__(self, *args: Any) -> int:
        """Decodes."""
        began = time.perf_counter()
        code: int = self._decode(*args)
        self.times.append((began, time.perf_counter()))
        return code

    def between(self, begun: float, ended: float) -> list[float]:
        """Seconds of each decoding in this time."""
        return [stop - start for start, stop in self.times if begun <= start and stop <= ended]


def _loaded(home: Path) -> LanguageModel:
    registry = Registry(home, [SERVICES / "chat" / "models"])
    manifest = registry.resolve("", "chat")
    engine = LlamaEngine(device="cpu", threads=THREADS, context_length=0, places=PLACES)
    return engine.load(manifest, registry.folder(manifest), Placement(((CPU, 0),)))


async def _answers(model: LanguageModel, numbers: range) -> tuple[float, float]:
    """Writes these together; from when all have begun until one has ended."""

    async def moments(number: int) -> tuple[float, float]:
        system, user = story(number).turns
        prompt = await asyncio.to_thread(
            model.conversation,
            [Message("system", (system["content"],)), Message("user", (user["content"],))],
        )
        first = 0.0
        async with model.generate(Generation(prompt, Sampling(), max_tokens=TOKENS), 1) as pieces:
            async for piece in pieces:
                first = first or time.perf_counter()
                if isinstance(piece, Finished):
                    break
        return first, time.perf_counter()

    answers = await asyncio.gather(*(moments(number) for number in numbers))
    return max(first for first, _ in answers), min(last for _, last in answers)


async def measure(folder: Path) -> list[Figure]:
    """Some rounds of each number of answers, with the model's own sampling."""
    watch = Stopwatch()
    llama_cpp.llama_decode = watch
    model = _loaded(folder / "home")
    figures = []
    for concurrent in CONCURRENT:
        steps, outside = [], []
        for turn in range(ROUNDS):
            number = 70_000 + 1000 * concurrent + 10 * turn
            begun, ended = await _answers(model, range(number, number + concurrent))
            inside = watch.between(begun, ended)
            steps.append((ended - begun) / len(inside))
            outside.append((ended - begun) / sum(inside) - 1)
        figures += [
            Figure(f"a step of {concurrent}", statistics.median(steps) * 1e3, "ms"),
            Figure(f"outside llama.cpp's decoding, {concurrent}", statistics.median(outside), "",
                   0.05, at_least=False, note=spread(outside)),
        ]  # fmt: skip
    model.close()
    return figures
