"""What a training leaves: a folder like that of any other model, with figures and model card."""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from services.emotion.evaluation.pictures import draw, plots_of
from services.emotion.training.card import Outcome, card, headline
from services.emotion.training.recipe import Recipe
from services.emotion.training.rights import Rights
from services.runtime.manifest import Manifest

MANIFEST = "model.yaml"


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty folder of the same name, which replaces `folder` where the block ends well.

    Until then it lies where nobody takes it for a model.
    """
    beside = folder.parent / f".partial-{folder.name}"
    shutil.rmtree(beside, ignore_errors=True)
    staging = beside / folder.name
    staging.mkdir(parents=True)
    try:
        yield staging
        staging.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def manifest(
    folder: Path,
    *,
    engine: str,
    recipe: Recipe,
    labels: Sequence[str],
    rights: Rights,
    memory_bytes: int,
    options: Mapping[str, Any],
    files: Mapping[str, Any],
) -> Manifest:
    """What `model.yaml` is to say of the model in `folder`, whose own files join `files`."""
    own = {path.name: _file(path) for path in sorted(folder.iterdir()) if path.is_file()}
    return Manifest.model_validate(
        {
            "name": folder.name,
            "capability": "emotion",
            "engine": engine,
            "tasks": ["classification"],
            "description": f"Tells {recipe.classifies}: {', '.join(labels)}. Trained here.",
            "owned_by": "local",
            "licence": rights.licence,
            "provenance": rights.provenance,
            "commercial_use": rights.commercial_use,
            "classifies": recipe.classifies,
            "labels": list(labels),
            "memory_bytes": memory_bytes,
            "files": {**files, **own},
            "options": dict(options) | ({} if recipe.of_speech else {"speech": False}),
        }
    )


def describe(folder: Path, described: Manifest, outcome: Outcome) -> None:
    """Completes a model's folder: figures, plots, model card and, last, `model.yaml`."""
    draw(outcome.result, folder)
    (folder / "metrics.json").write_text(
        json.dumps(metrics(outcome), indent=2, allow_nan=False) + "\n", "utf-8"
    )
    (folder / "README.md").write_text(card(outcome, plots_of(outcome.result)), "utf-8")
    said = described.model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=100)
    (folder / MANIFEST).write_text(text, "utf-8")


def metrics(outcome: Outcome) -> dict[str, Any]:
    """What `metrics.json` holds. It names no file and no folder of the machine."""
    result = outcome.result
    settings = asdict(outcome.recipe)
    for name in ("data", "base", "noise"):
        del settings[name]
    return {
        "model": outcome.name,
        "part": outcome.part,
        **headline(result),
        "expected_calibration_error": result.calibration.after.error,
        "temperature": outcome.temperature,
        "intervals": asdict(result.intervals),
        "figures": asdict(result.figures),
        "speakers": {name: list(found) for name, found in result.speakers.items()},
        "clips": dict(Counter(recording.split for recording in outcome.clips.recordings)),
        "skipped": len(outcome.clips.skipped),
        "recipe": settings,
    }


def _file(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "sha256": digest, "size": path.stat().st_size, "sources": [{"local": path.name}],
    }  # fmt: skip
