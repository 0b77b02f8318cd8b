"""Fetching models with a progress bar."""

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from services.runtime.manifest import Manifest
from services.runtime.registry import Registry


def pull(registry: Registry, manifest: Manifest, console: Console) -> None:
    """Fetches one model; shows how far it is where somebody looks on. Raises `OrfeonError`."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as bars:
        tasks: dict[str, TaskID] = {}

        def report(file: str, done: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bars.add_task(f"{manifest.name}/{file}", total=None)
            bars.update(tasks[file], completed=done, total=total or None)

        registry.pull(manifest, report)
