"""The registry: names, defaults and aliases."""

import os
import shutil
from pathlib import Path

import pytest

from services.runtime.errors import InvalidRequest, ModelNotFound
from services.runtime.manifest import ManifestError
from services.runtime.registry import Registry
from tests.unit.runtime.model_folders import add, built_in, home, only

__all__ = ["built_in", "home"]


def test_models_are_listed_with_the_defaults_first(home: Path, built_in: Path) -> None:
    add(built_in, "b")
    add(built_in, "a")
    add(built_in, "z", default=True)
    add(home / "models", "m")

    assert [m.name for m in Registry(home, [built_in]).list()] == ["z", "a", "b", "m"]


def test_a_model_of_the_users_is_found_when_it_comes_and_others_stay(
    home: Path, built_in: Path
) -> None:
    add(built_in, "a")
    registry = Registry(home, [built_in], "chat")
    with pytest.raises(ModelNotFound):
        registry.get("m")

    add(home / "models", "m")
    add(home / "models", "a", aliases=["mine"])
    add(home / "models", "p", base="a")
    add(home / "models", "s", capability="lyrics", tasks=["lyrics"])

    assert registry.get("m").name == "m"
    assert [m.name for m in registry.list()] == ["a", "m"]
    assert registry.get("a").aliases == []


def test_a_model_was_created_when_its_manifest_was(home: Path, built_in: Path) -> None:
    place = add(built_in, "a")
    os.utime(place / "model.yaml", (1_700_000_000, 1_700_000_000))
    registry = Registry(home, [built_in])

    assert registry.created(only(registry)) == 1_700_000_000


def test_only_the_models_of_the_capability_are_seen(home: Path, built_in: Path) -> None:
    add(built_in, "a")
    add(built_in, "b", capability="speech", tasks=["speech"], voices=["v"], languages=["en"])
    registry = Registry(home, [built_in], "speech")

    assert only(registry).name == "b"
    with pytest.raises(ModelNotFound):
        registry.resolve("a", "chat")


def test_a_model_is_found_by_name_by_alias_and_as_the_default(home: Path, built_in: Path) -> None:
    add(built_in, "a", aliases=["gpt"])
    add(built_in, "b", default=True)
    registry = Registry(home, [built_in])

    assert registry.resolve("a", "chat").name == "a"
    assert registry.resolve("gpt", "chat").name == "a"
    assert registry.resolve("", "chat").name == "b"


def test_the_only_model_for_a_task_needs_no_default(home: Path, built_in: Path) -> None:
    add(built_in, "a")
    assert Registry(home, [built_in]).resolve("", "chat").name == "a"

    add(built_in, "b")
    with pytest.raises(ModelNotFound, match="name one"):
        Registry(home, [built_in]).resolve("", "chat")


def test_an_unknown_model_is_not_found_and_the_field_is_named(home: Path) -> None:
    with pytest.raises(ModelNotFound, match="'nope'") as caught:
        Registry(home, []).resolve("nope", "chat")
    assert caught.value.param == "model"


def test_a_model_that_lacks_the_task_says_what_it_is_for(home: Path, built_in: Path) -> None:
    tasks = ["transcription", "translation"]
    add(built_in, "a", tasks=tasks, capability="speech", languages=["en"])

    with pytest.raises(InvalidRequest, match="for transcription and translation, not for speech"):
        Registry(home, [built_in]).resolve("a", "speech")


def test_a_users_model_goes_before_a_built_in_one(home: Path, built_in: Path) -> None:
    add(built_in, "a", default=True, aliases=["gpt"])
    add(home / "models", "z", default=True, aliases=["gpt"])
    add(home / "models", "a", description="mine")
    registry = Registry(home, [built_in])

    assert registry.resolve("", "chat").name == "z"
    assert registry.resolve("gpt", "chat").name == "z"
    assert registry.resolve("a", "chat").description == "mine"


def test_a_users_broken_manifest_is_left_out_and_a_built_in_one_is_not(
    home: Path, built_in: Path
) -> None:
    add(home / "models", "a")
    add(home / "models", "b", memory_bytes=-1)
    add(home / "models", "c").rename(home / "models" / "elsewhere")
    registry = Registry(home, [])

    assert only(registry).name == "a"
    assert [str(error).partition(": ")[2] for error in registry.broken] == [
        "memory_bytes: Input should be greater than 0",
        "name: the folder of this model must be called c",
    ]
    add(built_in, "b", memory_bytes=-1)
    with pytest.raises(ManifestError):
        Registry(home, [built_in])


def test_the_users_default_is_the_only_one_of_its_task(home: Path, built_in: Path) -> None:
    add(built_in, "a", default=True)
    add(home / "models", "mine", default=True)

    assert [manifest.name for manifest in Registry(home, [built_in]).defaults()] == ["mine"]


def test_a_users_model_for_an_engine_that_is_not_there_is_left_out(
    home: Path, built_in: Path
) -> None:
    add(built_in, "a")
    add(home / "models", "odd", engine="steam")
    registry = Registry(home, [built_in], "chat", engines={"llama-cpp", "fake"})

    assert only(registry).name == "a"
    assert "steam" in str(registry.broken[0])


def test_a_folder_removed_while_serving_leaves_the_list_whole(home: Path, built_in: Path) -> None:
    add(home / "models", "mine")
    registry = Registry(home, [built_in])
    shutil.rmtree(home / "models" / "mine")

    assert registry.created(only(registry)) > 0


@pytest.mark.parametrize("missing", ["voices", "languages"])
def test_a_voice_that_names_no_voices_or_languages_is_left_out(
    home: Path, built_in: Path, missing: str
) -> None:
    fields = {"voices": ["v"], "languages": ["en"]}
    del fields[missing]
    add(home / "models", "mute", capability="speech", tasks=["speech"], **fields)
    registry = Registry(home, [built_in])

    assert registry.list() == []
    assert missing in str(registry.broken[0])
