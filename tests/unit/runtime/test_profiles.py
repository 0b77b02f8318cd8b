"""Profiles: models that share the weights of a base, with options and adapters of their own."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runtime.context import RequestContext
from services.runtime.errors import ModelNotFound
from services.runtime.host import ModelHost
from services.runtime.manifest import Manifest, ManifestError
from services.runtime.models import ModelServicer
from services.runtime.registry import Registry
from services.runtime.residency import Placement
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import ServiceMetrics

BASE: dict[str, Any] = {
    "engine": "llama-cpp",
    "tasks": ["text"],
    "default": True,
    "memory_bytes": 100,
    "languages": ["en"],
    "context_length": 64,
    "files": {},
}


def add(folder: Path, name: str, **fields: Any) -> Path:
    place = folder / name
    place.mkdir(parents=True)
    common = {"name": name, "capability": "lyrics", "owned_by": "us", "licence": "MIT"}
    (place / "model.yaml").write_text(yaml.safe_dump(common | fields), "utf-8")
    return place


def with_adapter(folder: Path, name: str) -> Path:
    place = add(
        folder,
        name,
        base="base",
        tasks=["lyrics"],
        memory_bytes=10,
        files={"adapter.gguf": {"sources": [{"local": "adapter.gguf"}]}},
    )
    (place / "adapter.gguf").write_bytes(b"GGUF")
    return place


@pytest.fixture
def built_in(tmp_path: Path) -> Path:
    folder = tmp_path / "built-in"
    add(folder, "base", **BASE)
    add(folder, "rock", base="base", tasks=["lyrics"], default=True, options={"prompt": "Rock!"})
    add(folder, "canto", base="base", tasks=["lyrics"], languages=["es"])
    return folder


@pytest.fixture
def registry(tmp_path: Path, built_in: Path) -> Registry:
    return Registry(tmp_path / "home", [built_in], "lyrics", engines={"llama-cpp"})


def test_a_profile_has_what_it_leaves_to_its_base(registry: Registry) -> None:
    rock = registry.resolve("", "lyrics")
    assert (rock.name, rock.engine, rock.context_length, rock.languages) == (
        "rock", "llama-cpp", 64, ["en"],
    )  # fmt: skip
    assert registry.get("canto").languages == ["es"]
    assert registry.weights(rock) == registry.weights(registry.get("base")) == registry.get("base")


def test_an_adapter_is_its_bases_under_the_name_of_the_profile(
    tmp_path: Path, built_in: Path
) -> None:
    home = tmp_path / "home"
    with_adapter(home / "models", "rap")
    registry = Registry(home, [built_in], "lyrics", engines={"llama-cpp"})
    base = registry.get("base")

    assert base.memory_bytes == 110
    assert registry.is_pulled(registry.get("rap"))
    assert registry.usable(base).options == {
        "adapters": {"rap": str(home / "models" / "rap" / "adapter.gguf")}
    }


def test_an_adapter_that_is_not_there_stops_nobody_else(tmp_path: Path, built_in: Path) -> None:
    home = tmp_path / "home"
    (with_adapter(home / "models", "rap") / "adapter.gguf").unlink()
    registry = Registry(home, [built_in], "lyrics", engines={"llama-cpp"})

    assert not registry.is_pulled(registry.get("rap"))
    assert registry.usable(registry.get("base")).options == {"adapters": {}}


def test_removing_a_profile_leaves_its_base_alone(registry: Registry, tmp_path: Path) -> None:
    folder = registry.pull(registry.get("base"))
    registry.remove(registry.get("rock"))
    assert folder == registry.folder(registry.get("rock")) == tmp_path / "home" / "models" / "base"
    assert folder.is_dir()


@pytest.mark.parametrize("base", ["nobody", "rock", "lost"])
def test_a_base_has_weights_of_its_own(tmp_path: Path, built_in: Path, base: str) -> None:
    home = tmp_path / "home"
    add(home / "models", "lost", base=base, tasks=["lyrics"])
    registry = Registry(home, [built_in], "lyrics")
    (fault,) = registry.broken
    assert f"there is no model '{base}' that profiles can share" in str(fault)
    with pytest.raises(ModelNotFound):
        registry.get("lost")

    (home / "models" / "lost").rename(built_in / "lost")
    with pytest.raises(ManifestError):
        Registry(home, [built_in], "lyrics")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "a model without a base needs engine"),
        ({"engine": "x", "files": {}}, "a model without a base needs memory_bytes"),
        ({"base": "base", "engine": "x"}, "a model with a base has that one's engine"),
        (
            {"base": "base", "files": {"model.gguf": {"sources": [{"local": "x"}]}}},
            "no file but adapter.gguf",
        ),
    ],
)
def test_a_manifest_says_what_is_missing_or_too_much(
    tmp_path: Path, fields: dict[str, Any], sentence: str
) -> None:
    add(tmp_path / "models", "x", tasks=["lyrics"], **fields)
    (fault,) = Registry(tmp_path, []).broken
    assert sentence in str(fault)


class Counting:
    """An engine that counts its loads, and the model that it makes."""

    kinds = frozenset({"cpu"})

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> "Counting":
        self.loaded.append(manifest.name)
        return self

    def close(self) -> None:
        """Nothing to free."""


async def test_profiles_share_one_copy_of_the_weights(tmp_path: Path, registry: Registry) -> None:
    engine = Counting()
    settings = ServiceSettings(
        ORFEON_HOME=tmp_path, engine="fake", slots=2, pinned=frozenset({"rock"})
    )
    host = ModelHost("lyrics", registry, {"fake": engine}, settings, ServiceMetrics("lyrics", "0"))
    await host.preload()
    async with (
        host.lease(RequestContext("1"), "", task="lyrics") as rock,
        host.lease(RequestContext("2"), "canto", task="lyrics") as canto,
    ):
        assert (rock.manifest.name, canto.manifest.name) == ("rock", "canto")
        assert rock.model is canto.model is engine
        assert host.facts(canto.manifest).in_use == 2
        assert host.facts(canto.manifest).pinned
    await host.load("canto", pinned=False)
    assert engine.loaded == ["base"]

    shown = {m.id: m for m in (await ModelServicer(host).ListModels(None, None)).models}  # type: ignore[arg-type]
    assert (shown["rock"].base, shown["base"].base) == ("base", "")
    assert (shown["rock"].resident_bytes, shown["base"].resident_bytes) == (0, 100)
    await host.unload("rock")
    assert host.facts(registry.get("base")).bytes == 0
    await host.close()
