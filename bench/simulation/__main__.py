"""`make simulate`: the whole study; with `--replay`, one recorded trace."""

import argparse
import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.simulation.disciplines import disciplines
from bench.simulation.figures import figures
from bench.simulation.plots import draw
from bench.simulation.report import fill, million, summary
from bench.simulation.results import compute, save
from bench.simulation.run import simulate
from bench.simulation.study import jobs
from bench.simulation.traces import read
from bench.simulation.workload import workloads

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "simulation.md"


def study(scale: float, workers: int, folder: Path) -> None:
    """Simulates everything; writes results and plots into `folder`, and a full study's page."""
    rows = compute(jobs(scale), workers)
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "results.json", rows)
    draw(rows, folder)
    if scale == 1:
        PAGE.write_text(fill(PAGE.read_text("utf-8"), rows), "utf-8")
    console = Console()
    console.print(summary(rows), million(rows), f"Results and plots are in {folder}.", sep="\n")


def replay(path: Path, workload_name: str) -> None:
    """Serves a recorded trace by every policy and prints the waits."""
    workload = workloads()[workload_name]
    trace = read(path, workload)
    names = ("p50_0", "p95_0", "p50_1", "p95_1", "p50_2", "p95_2", "swaps", "throughput")
    table = Table("policy", *names)
    for discipline in disciplines(workload).values():
        found = figures(simulate(workload, discipline, trace))
        cells = (f"{value:.2f}" if (value := found[name]) is not None else "–" for name in names)
        table.add_row(discipline.name, *cells)
    Console().print(table)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="length of the traces; 1 is full")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, help="folder for results and plots")
    parser.add_argument("--replay", type=Path, metavar="CSV", help="a recorded trace")
    parser.add_argument("--workload", default="measured", choices=workloads())
    asked = parser.parse_args()
    if asked.replay:
        replay(asked.replay, asked.workload)
    else:
        full = PAGE.with_suffix("") if asked.scale == 1 else ROOT / "build" / "simulation"
        study(asked.scale, asked.workers, asked.out or full)


if __name__ == "__main__":
    main()
