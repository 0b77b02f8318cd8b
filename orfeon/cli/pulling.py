"""Fetching models with a progress bar."""

import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from services.runtime.errors import NotFound
from services.runtime.manifest import Manifest, read_manifest
from services.runtime.registry import Registry
from services.runtime.store import folder_name


def place(home: Path, folder: Path) -> list[str]:
    """Copies every `<any>.yaml` of a folder to where the user's models are; returns their names.

    Raises `ManifestError` for the first that is none, and `NotFound` where there is none at all.
    """
    manifests = {path: read_manifest(path) for path in sorted(folder.glob("*.yaml"))}
    if not manifests:
        raise NotFound(f"{folder} holds no file called <model>.yaml; put one there for each model.")
    for path, manifest in manifests.items():
        target = home / "models" / folder_name(manifest.name) / "model.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(".model.yaml.new")
        shutil.copyfile(path, fresh)
        fresh.replace(target)
    return [manifest.name for manifest in manifests.values()]


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
