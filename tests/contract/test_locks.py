"""Locks pin by hash all that an image needs, and agree where images share."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.lock import CONTAINERS, EXTRAS, model_packages

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = sorted(
    path.relative_to(ROOT)
    for pattern in ("gateway/*.lock", "services/*/*.lock", "triton-repo/*.lock")
    for path in ROOT.glob(pattern)
)
EACH_LOCK = pytest.mark.parametrize("lock", LOCKS, ids=str)


def versions(lock: Path) -> set[str]:
    """The `name==version` of all that a lock pins."""
    return set(re.findall(r"^\S+==\S+", (ROOT / lock).read_text("utf-8"), re.M))


@EACH_LOCK
def test_locks_pin_every_package_by_hash_and_name_no_index(lock: Path) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text
    assert "index-url" not in text
    requirements = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert requirements
    assert all(re.match(r"\S+==\S+ .*\\$", line) for line in requirements)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= len(requirements)


@pytest.mark.parametrize("folder", CONTAINERS.values(), ids=str)
def test_images_hold_the_packages_of_their_default_models(folder: Path) -> None:
    lock = ROOT / folder / "models.lock"
    packages = model_packages(folder)
    locked = re.findall(r"^\S+==\S+", lock.read_text("utf-8"), re.M) if lock.exists() else []
    assert locked == packages


@pytest.mark.parametrize("folder", [f for f in CONTAINERS.values() if f.name != "runtime"], ids=str)
def test_every_container_agrees_with_the_layer_that_they_share(folder: Path) -> None:
    runtime = versions(CONTAINERS["runtime"] / "requirements.lock")
    own = versions(folder / "requirements.lock")
    named = {each.partition("==")[0] for each in own}
    assert {each for each in runtime if each.partition("==")[0] in named} <= own


def _asked(extra: str) -> Iterator[Requirement]:
    """What an extra asks for, through those that it is made of, and what all containers do."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for line in (*project["dependencies"], *project["optional-dependencies"][extra]):
        asked = Requirement(line)
        if asked.name == project["name"]:
            for inner in asked.extras:
                yield from _asked(inner)
        else:
            yield asked


@pytest.mark.parametrize(("extra", "lock"), sorted(EXTRAS.items()), ids=str)
def test_locks_hold_what_their_extra_asks_for(extra: str, lock: Path) -> None:
    """`python scripts/lock.py` brings them up to date."""
    pinned = dict(each.split("==") for each in versions(lock))
    for asked in _asked(extra):
        name = canonicalize_name(asked.name)
        assert name in pinned, f"{lock} lacks {asked}"
        assert asked.specifier.contains(pinned[name], prereleases=True), asked


def test_the_image_of_triton_computes_with_the_libraries_of_the_other_images() -> None:
    """But those that only play notes."""
    there = versions(Path("triton-repo/requirements.lock"))
    for lock in ("emotion/torch", "images/torch", "melody/musicgen", "speech/torch"):
        here = versions(Path(f"services/{lock}.lock"))
        assert {each.partition("==")[0] for each in here - there} <= {"tinysoundfont"}
