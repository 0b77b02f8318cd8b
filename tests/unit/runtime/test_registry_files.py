"""The registry: files verified, joined, linked and removed."""

import hashlib
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.runtime.errors import ServiceUnavailable
from services.runtime.registry import Registry
from services.runtime.sources import Sources
from tests.unit.runtime.model_folders import add, built_in, home, only

__all__ = ["built_in", "home"]

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


def url_file(*paths: str, data: bytes, **fields: Any) -> dict[str, Any]:
    sources = [{"url": f"http://models.test{path}"} for path in paths]
    return {"sources": sources, "sha256": sha256(data), **fields}


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
