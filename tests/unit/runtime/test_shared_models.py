"""Models of a folder that is only read, such as a volume that many containers mount."""

import hashlib
from pathlib import Path

import pytest

from services.runtime.errors import ServiceUnavailable
from services.runtime.registry import Registry
from tests.unit.runtime.model_folders import add, built_in, home

__all__ = ["built_in", "home"]

WEIGHTS = b"weights"
FILE = {
    "sources": [{"hub": "us/model", "revision": "main", "path": "model.gguf"}],
    "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
    "size": len(WEIGHTS),
}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def fetched(shared: Path, name: str = "big", content: bytes = WEIGHTS) -> Path:
    """A model of a hub in the shared folder, with its file."""
    place = add(shared, name, files={"model.gguf": FILE})
    (place / "model.gguf").write_bytes(content)
    return place


def test_a_file_that_lies_there_is_linked_and_needs_no_pull(home: Path, shared: Path) -> None:
    place = fetched(shared)
    registry = Registry(home, [], shared=shared)
    manifest = registry.get("big")

    assert registry.is_pulled(manifest)
    linked = registry.folder(manifest) / "model.gguf"
    assert linked.parent == home / "models" / "big"
    assert linked.resolve() == (place / "model.gguf").resolve()
    # Nothing was written there, lock and stamp neither.
    assert {path.name for path in shared.rglob("*")} == {"big", "model.yaml", "model.gguf"}


def test_a_file_that_is_not_what_it_should_be_is_refused_and_stays(
    home: Path, shared: Path
) -> None:
    place = fetched(shared, content=b"Weights")
    registry = Registry(home, [], shared=shared)
    with pytest.raises(ServiceUnavailable, match="checksum"):
        registry.folder(registry.get("big"))
    assert (place / "model.gguf").read_bytes() == b"Weights"


def test_a_model_whose_file_has_not_come_yet_is_found_once_it_has(home: Path, shared: Path) -> None:
    registry = Registry(home, [], shared=shared)
    add(shared, "big", files={"model.gguf": FILE})
    manifest = registry.get("big")
    assert not registry.is_pulled(manifest)
    with pytest.raises(ServiceUnavailable, match="orfeon models pull big"):
        registry.folder(manifest)

    (shared / "big" / "model.gguf").write_bytes(WEIGHTS)
    assert (registry.folder(manifest) / "model.gguf").read_bytes() == WEIGHTS


def test_it_goes_before_the_built_in_and_after_that_of_the_home(
    home: Path, built_in: Path, shared: Path
) -> None:
    for folder in (built_in, shared):
        add(folder, "a", description=folder.name)
    assert Registry(home, [built_in], shared=shared).get("a").description == "shared"
    add(home / "models", "a", description="home")
    assert Registry(home, [built_in], shared=shared).get("a").description == "home"


def test_a_mistake_in_one_leaves_out_that_one_alone(home: Path, shared: Path) -> None:
    fetched(shared)
    add(shared, "odd", memory_bytes="many")
    registry = Registry(home, [], shared=shared)
    assert [manifest.name for manifest in registry.list()] == ["big"]
    assert len(registry.broken) == 1


def test_a_folder_that_is_not_there_holds_nothing(home: Path, tmp_path: Path) -> None:
    assert Registry(home, [], shared=tmp_path / "none").list() == []
