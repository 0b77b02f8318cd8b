"""Results of the study: computed by several processes, summed up over seeds, kept in a file."""

import json
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.simulation.figures import Figures
from bench.simulation.statistics import summary
from bench.simulation.study import Job, run

#: A combination with its figures, each as mean and standard deviation over the seeds, or None.
Row = dict[str, Any]

#: What tells one combination from another.
_NAMES = ("kind", "workload", "trace", "devices", "level", "load", "policy", "requests")

_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TextColumn("{task.percentage:>3.0f} %"),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)


def compute(jobs: Sequence[Job], workers: int) -> list[Row]:
    """Runs the jobs, with a progress bar, and sums them up."""
    figures: dict[Job, Figures] = {}
    # Spawned: a forked process would inherit the thread that draws the progress bar.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool, Progress(*_COLUMNS) as progress:
        task = progress.add_task("simulating", total=sum(job.weight for job in jobs))
        futures = {pool.submit(run, job): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            figures[job] = future.result()
            progress.advance(task, job.weight)
    return summed_up(figures.items())


def summed_up(figures: Iterable[tuple[Job, Figures]]) -> list[Row]:
    """One row for each combination; its seeds become mean and deviation. Sorted, to be compared."""
    groups: dict[tuple[str | float | None, ...], list[Figures]] = {}
    for job, found in sorted(figures, key=lambda pair: pair[0].seed):
        groups.setdefault(_key(job), []).append(found)
    rows = []
    for key in sorted(groups, key=lambda key: tuple(map(_sortable, key))):
        seeds = groups[key]
        row: Row = dict(zip(_NAMES, key, strict=True)) | {"seeds": len(seeds)}
        for name in seeds[0]:
            pair = summary([each[name] for each in seeds])
            row[name] = None if pair is None else [float(f"{value:.4g}") for value in pair]
        rows.append(row)
    return rows


def _key(job: Job) -> tuple[str | float | None, ...]:
    return tuple(getattr(job, name) for name in _NAMES)


def _sortable(value: str | float | None) -> tuple[bool, str | float]:
    return (value is not None, value if value is not None else 0)


def save(path: Path, rows: Sequence[Row]) -> None:
    """Writes one row a line, so that changes can be read."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", "utf-8")


def load(path: Path) -> list[Row]:
    """Reads what `save` wrote."""
    rows: list[Row] = json.loads(path.read_text("utf-8"))
    return rows


def find(rows: Sequence[Row], **wanted: str | float | None) -> Row:
    """The one row that has these values. Raises `LookupError` when there is none, or several."""
    found = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows have {wanted}")
    return found[0]


def mean(row: Row, figure: str) -> float:
    """A figure's mean over the seeds; NaN where a seed had none."""
    pair = row[figure]
    return float("nan") if pair is None else float(pair[0])
