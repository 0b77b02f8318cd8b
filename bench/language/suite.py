"""Runs all of it."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.language import memory, prefixes, steps, throughput, urgency
from bench.language.raw import RawLoop
from bench.language.systems import CONTEXT, PLACES, THREADS, System, everything, weights
from bench.report import print_figures
from services.runtime.threads import wait_patiently

PARTS = ("throughput", "urgency", "prefixes", "memory", "steps")


async def _served(parts: tuple[str, ...], systems: Mapping[str, System], folder: Path) -> None:
    if "throughput" in parts:
        loop = RawLoop(weights(folder / "home"), threads=THREADS, sequences=PLACES, context=CONTEXT)
        figures = await throughput.measure(systems, loop)
        loop.close()
        print_figures("Conversations together, SmolLM2 135M, greedy", figures)
    if "urgency" in parts:
        print_figures("Urgent requests under eight others", await urgency.measure(systems))
    if "prefixes" in parts:
        print_figures("What has been read already", await prefixes.measure(systems))
    if "memory" in parts:
        print_figures("Memory", await memory.measure(systems["orfeon"]))


def main(parts: tuple[str, ...] = PARTS) -> None:
    """Measures and prints."""
    wait_patiently()
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        if parts != ("steps",):
            with everything(folder) as systems:
                asyncio.run(_served(parts, systems, folder))
        if "steps" in parts:
            print_figures("A decoding step in one process", asyncio.run(steps.measure(folder)))
