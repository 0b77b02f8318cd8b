"""MusicGen of random weights, as large as the published ones: AudioCraft against our steps.

What a model says does not matter to how long it takes. Both write the same number of codes with
guidance and sound them with the same codec, in turns, each in the environment that it runs in.

    python -m bench.musicgen [--size small|tiny] [--batch 1 8] [--seconds 10] [--rounds 3]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bench.report import Figure, print_figures, spread

ROOT = Path(__file__).resolve().parent.parent
#: What each engine is run by.
PYTHONS = {
    "transformers": sys.executable,
    "audiocraft": str(Path(sys.prefix + "-audiocraft") / "bin" / "python"),
}
#: Times real time, at batch 1 on a GPU.
TARGET = 3.0


class Worker:
    """A process that holds one engine's model and times what it is told to make."""

    def __init__(self, engine: str, size: str, device: str) -> None:
        command = [PYTHONS[engine], "-m", "bench.musicgen_work", engine, size, device]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.parameters: int = self._told()["parameters"]

    def seconds(self, batch: int, seconds: float) -> float:
        """Seconds that it takes to make `batch` pieces of so many seconds together."""
        assert self._process.stdin is not None
        print(
            json.dumps({"batch": batch, "seconds": seconds}), file=self._process.stdin, flush=True
        )
        taken: float = self._told()["seconds"]
        return taken

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


def measure(
    size: str, device: str, batches: Sequence[int], seconds: float, rounds: int
) -> list[Figure]:
    """Both engines in turns: times real time, and how much longer AudioCraft takes."""
    workers = {engine: Worker(engine, size, device) for engine in PYTHONS}
    figures = [
        Figure(f"{engine}, weights", worker.parameters / 1e6, "M")
        for engine, worker in workers.items()
    ]
    try:
        for batch in batches:
            taken: dict[str, list[float]] = {engine: [] for engine in workers}
            for worker in workers.values():
                worker.seconds(batch, seconds)  # What is compiled and fetched, once.
            for at in range(rounds):
                for engine in list(workers)[:: 1 if at % 2 else -1]:
                    taken[engine].append(workers[engine].seconds(batch, seconds))
            figures += _figures(taken, batch, seconds, device)
    finally:
        for worker in workers.values():
            worker.close()
    return figures


def _figures(
    taken: dict[str, list[float]], batch: int, seconds: float, device: str
) -> list[Figure]:
    target = TARGET if device == "cuda" and batch == 1 else None
    figures = []
    for engine, times in taken.items():
        speeds = [batch * seconds / each for each in times]
        figures.append(
            Figure(
                f"{engine}, batch {batch}, {seconds:g} s: times real time",
                statistics.median(speeds), "x", target, note=spread(speeds),
            )
        )  # fmt: skip
    pairs = zip(taken["audiocraft"], taken["transformers"], strict=True)
    ratios = [theirs / ours for theirs, ours in pairs]
    name = f"AudioCraft's time : transformers', batch {batch}"
    return [*figures, Figure(name, statistics.median(ratios), "x", note=spread(ratios))]


def main(arguments: Sequence[str] = ()) -> None:
    """Measures and prints."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(
        prog="python -m bench musicgen", description=str(__doc__).partition("\n")[0]
    )
    parser.add_argument("--size", choices=["small", "tiny"], default="small")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8] if device == "cuda" else [1])
    parser.add_argument("--seconds", type=float, default=10.0 if device == "cuda" else 1.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(arguments)
    figures = measure(asked.size, device, asked.batch, asked.seconds, asked.rounds)
    print_figures(f"MusicGen {asked.size}, random weights, {device}", figures)


if __name__ == "__main__":
    main(sys.argv[1:])
