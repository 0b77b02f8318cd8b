"""Folders of models, for registries to read."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runtime.manifest import Manifest
from services.runtime.registry import Registry


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def built_in(tmp_path: Path) -> Path:
    return tmp_path / "built-in"


def add(folder: Path, name: str, **fields: Any) -> Path:
    """Writes a model folder."""
    place = folder / name.replace("/", "--")
    place.mkdir(parents=True)
    manifest = {
        "name": name,
        "capability": "chat",
        "engine": "fake",
        "tasks": ["chat"],
        "owned_by": "us",
        "licence": "MIT",
        "memory_bytes": 1,
        "files": {},
    } | fields
    (place / "model.yaml").write_text(yaml.safe_dump(manifest), "utf-8")
    return place


def only(registry: Registry) -> Manifest:
    (manifest,) = registry.list()
    return manifest
