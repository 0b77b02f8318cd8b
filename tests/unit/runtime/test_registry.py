"""The registry: names, defaults and aliases; files verified, joined, linked and removed."""

import hashlib
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from services.runtime.errors import InvalidRequest, ModelNotFound, ServiceUnavailable
from services.runtime.manifest import Manifest, ManifestError
from services.runtime.registry import Registry
from services.runtime.sources import Sources

PARTS = {"/one": b"first part, ", "/two": b"second part"}
WHOLE = b"".join(PARTS.values())


class Server:
    """Serves `PARTS` and counts what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.parts = dict(PARTS)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        return httpx.Response(200, content=self.parts[request.url.path])

    def sources(self) -> Sources:
        return Sources(transport=httpx.MockTransport(self))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


def url_file(*paths: str, data: bytes, **fields: Any) -> dict[str, Any]:
    sources = [{"url": f"http://models.test{path}"} for path in paths]
    return {"sources": sources, "sha256": sha256(data), **fields}


def only(registry: Registry) -> Manifest:
    (manifest,) = registry.list()
    return manifest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def built_in(tmp_path: Path) -> Path:
    return tmp_path / "built-in"


def test_models_are_listed_with_the_defaults_first(home: Path, built_in: Path) -> None:
    add(built_in, "b")
    add(built_in, "a")
    add(built_in, "z", default=True)
    add(home / "models", "m")

    assert [m.name for m in Registry(home, [built_in]).list()] == ["z", "a", "b", "m"]


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


def test_what_is_on_this_machine_is_linked_without_a_pull(home: Path, built_in: Path) -> None:
    place = add(
        built_in,
        "org/a",
        files={"w/head.npz": {"sources": [{"local": "head.npz"}], "sha256": sha256(b"head")}},
    )
    (place / "head.npz").write_bytes(b"head")
    registry = Registry(home, [built_in])

    assert registry.is_pulled(only(registry))
    folder = registry.folder(only(registry))
    assert folder == home / "models" / "org--a"
    assert (folder / "w/head.npz").readlink() == place / "head.npz"


def test_a_model_without_files_has_an_empty_folder(home: Path, built_in: Path) -> None:
    add(built_in, "a")
    registry = Registry(home, [built_in])

    assert registry.folder(only(registry)).is_dir()


def test_what_is_not_on_this_machine_has_to_be_pulled(home: Path, built_in: Path) -> None:
    server = Server()
    add(built_in, "a", files={"w.bin": url_file("/one", data=PARTS["/one"])})
    registry = Registry(home, [built_in], sources=server.sources())

    assert not registry.is_pulled(only(registry))
    with pytest.raises(ServiceUnavailable, match="orfeon models pull a"):
        registry.folder(only(registry))
    assert server.asked == []

    folder = registry.pull(only(registry))
    assert (folder / "w.bin").read_bytes() == PARTS["/one"]
    assert registry.is_pulled(only(registry))
    assert registry.folder(only(registry)) == folder
    registry.pull(only(registry))
    assert server.asked == ["/one"]
    assert not (folder / ".pull").exists()


def test_parts_are_joined_in_order_and_progress_counts_them_together(
    home: Path, built_in: Path
) -> None:
    add(
        built_in,
        "a",
        files={"w.bin": url_file("/one", "/two", data=WHOLE, size=len(WHOLE))},
    )
    registry = Registry(home, [built_in], sources=Server().sources())
    seen: list[tuple[str, int, int]] = []

    folder = registry.pull(only(registry), lambda *args: seen.append(args))
    assert (folder / "w.bin").read_bytes() == WHOLE
    assert seen[0] == ("w.bin", len(PARTS["/one"]), len(WHOLE))
    assert seen[-1] == ("w.bin", len(WHOLE), len(WHOLE))


def test_a_wrong_checksum_removes_the_file_and_the_next_pull_starts_again(
    home: Path, built_in: Path
) -> None:
    server = Server()
    add(built_in, "a", files={"w.bin": url_file("/one", "/two", data=WHOLE)})
    registry = Registry(home, [built_in], sources=server.sources())
    server.parts["/two"] = b"poisoned"

    with pytest.raises(ServiceUnavailable, match=r"w\.bin does not have the checksum"):
        registry.pull(only(registry))
    folder = home / "models" / "a"
    assert [p for p in folder.rglob("*") if p.is_file()] == []

    server.parts = dict(PARTS)
    assert (registry.pull(only(registry)) / "w.bin").read_bytes() == WHOLE


def test_a_download_longer_than_stated_is_cut_off(home: Path, built_in: Path) -> None:
    add(built_in, "a", files={"w.bin": url_file("/one", data=PARTS["/one"], size=3)})
    registry = Registry(home, [built_in], sources=Server().sources())

    with pytest.raises(ServiceUnavailable, match="longer than the 3 bytes"):
        registry.pull(only(registry))
    assert [p for p in (home / "models" / "a").rglob("*") if p.is_file()] == []


def test_a_local_file_with_a_wrong_checksum_is_refused_and_kept(home: Path) -> None:
    place = add(
        home / "models",
        "a",
        files={"w.bin": {"sources": [{"local": "w.bin"}], "sha256": sha256(b"good")}},
    )
    (place / "w.bin").write_bytes(b"bad")
    registry = Registry(home, [])

    with pytest.raises(ServiceUnavailable, match="correct one of the two"):
        registry.folder(only(registry))
    assert (place / "w.bin").read_bytes() == b"bad"


def test_a_file_that_changed_since_it_was_verified_is_verified_again(
    home: Path, built_in: Path
) -> None:
    place = add(
        built_in,
        "a",
        files={"w.bin": {"sources": [{"local": "w.bin"}], "sha256": sha256(b"good")}},
    )
    (place / "w.bin").write_bytes(b"good")
    registry = Registry(home, [built_in])
    registry.folder(only(registry))

    (place / "w.bin").write_bytes(b"changed")
    with pytest.raises(ServiceUnavailable, match="checksum"):
        registry.folder(only(registry))


def test_a_fetched_file_that_lost_its_stamp_is_not_fetched_again(
    home: Path, built_in: Path
) -> None:
    server = Server()
    add(built_in, "a", files={"w.bin": url_file("/one", data=PARTS["/one"])})
    registry = Registry(home, [built_in], sources=server.sources())
    folder = registry.pull(only(registry))

    (folder / ".verified.json").write_text("not json")
    registry.pull(only(registry))
    assert server.asked == ["/one"]


@pytest.mark.parametrize("name", ["../escape", "/etc/x", ".verified.json", "model.yaml", "a/.b"])
def test_a_file_name_that_leaves_the_folder_or_is_ours_is_refused(
    home: Path, built_in: Path, name: str
) -> None:
    add(built_in, "a", files={name: url_file("/one", data=PARTS["/one"])})
    registry = Registry(home, [built_in], sources=Server().sources())

    with pytest.raises(ServiceUnavailable, match=r"model\.yaml"):
        registry.pull(only(registry))
    assert not (home / "models" / "escape").exists()


def test_a_local_source_may_not_climb_out_of_the_models_folder(home: Path, built_in: Path) -> None:
    add(built_in, "a", files={"w.bin": {"sources": [{"local": "../../secret"}]}})
    registry = Registry(home, [built_in])

    with pytest.raises(ServiceUnavailable, match="not a path below"):
        registry.folder(only(registry))


def test_removing_frees_what_was_fetched_and_keeps_what_the_user_put_there(home: Path) -> None:
    place = add(
        home / "models",
        "a",
        files={
            "mine.bin": {"sources": [{"local": "mine.bin"}]},
            "sub/w.bin": url_file("/one", data=PARTS["/one"]),
        },
    )
    (place / "mine.bin").write_bytes(b"mine")
    registry = Registry(home, [], sources=Server().sources())
    registry.pull(only(registry))

    assert registry.remove(only(registry)) == len(PARTS["/one"])
    assert sorted(path.name for path in place.iterdir()) == ["mine.bin", "model.yaml"]
    assert not registry.is_pulled(only(registry))


def test_removing_a_built_in_model_leaves_nothing(home: Path, built_in: Path) -> None:
    add(built_in, "a", files={"w.bin": url_file("/one", data=PARTS["/one"])})
    registry = Registry(home, [built_in], sources=Server().sources())
    registry.pull(only(registry))

    assert registry.remove(only(registry)) == len(PARTS["/one"])
    assert not (home / "models" / "a").exists()
    assert registry.remove(only(registry)) == 0


def test_two_pulls_at_once_fetch_once(home: Path, built_in: Path) -> None:
    server = Server()
    add(built_in, "a", files={"w.bin": url_file("/one", "/two", data=WHOLE)})
    registry = Registry(home, [built_in], sources=server.sources())
    pulls = [threading.Thread(target=registry.pull, args=(only(registry),)) for _ in range(4)]

    for pull in pulls:
        pull.start()
    for pull in pulls:
        pull.join()
    assert sorted(server.asked) == ["/one", "/two"]


def test_a_home_that_cannot_be_written_is_an_error_in_one_sentence(
    tmp_path: Path, built_in: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    add(built_in, "a")
    registry = Registry(tmp_path / "file", [built_in])

    with pytest.raises(ServiceUnavailable, match="cannot be written"):
        registry.folder(only(registry))


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
