"""Runs all of it."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.language import memory, prefixes, throughput, urgency
from bench.language.systems import THREADS, System, everything
from bench.product import plain
from bench.report import print_figures
from services.runtime.threads import wait_patiently

PARTS = ("throughput", "urgency", "prefixes", "memory", "steps")


async def _served(parts: tuple[str, ...], systems: Mapping[str, System], folder: Path) -> None:
    if "throughput" in parts:
        with plain(folder / "home", "decode", THREADS) as loop:
            figures = await throughput.measure(systems, loop)
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
            # Loads llama.cpp, whose threads learn how to wait when they are loaded.
            from bench.language import steps

            print_figures("A decoding step in one process", asyncio.run(steps.measure(folder)))
