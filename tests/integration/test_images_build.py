"""Images are built without a registry, hold nothing that they should not, and serve as in a pod."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.build_images import (
    DEBIAN,
    ROOT,
    Artifact,
    Buildah,
    artifacts,
    build,
    check,
    make_debian,
    require_programs,
)
from scripts.image_check import ImageRefused, faults

#: The base, the gateway, Studio and two services; `make images` builds them all.
NAMES = (
    "orfeon-runtime",
    "orfeon-arbiter",
    "orfeon-gateway",
    "orfeon-studio",
    "orfeon-emotion",
)


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """A storage with the images built; removed with all that is in it."""
    require_programs()
    folder = tmp_path_factory.mktemp("images")
    buildah = Buildah(folder / "storage")
    try:
        make_debian(buildah, folder)
        for name in NAMES:
            build(buildah, artifacts()[name], DEBIAN, folder)
        yield buildah
    finally:
        buildah("rm", "--all")
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_holds_what_it_should_and_serves_on_a_root_that_is_only_read(
    buildah: Buildah, name: str
) -> None:
    assert check(buildah, artifacts()[name]) > 0


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import services.nothing", "No module named"),
        ("open('/app/new', 'w')", "Read-only file system"),
        ("import os; os.setuid(0)", "Operation not permitted"),
    ],
)
def test_what_does_not_start_is_refused_with_what_it_said(
    buildah: Buildah, code: str, cause: str
) -> None:
    container = buildah("from", "--pull-never", "localhost/orfeon-arbiter:dev")
    buildah("config", "--cmd", json.dumps(["python", "-c", code]), container)
    buildah("commit", "--quiet", "--rm", container, "localhost/orfeon-broken:dev")
    broken = Artifact("orfeon-broken", "services/arbiter/Dockerfile", {}, ("orfeon-runtime",))
    with pytest.raises(ImageRefused, match=cause):
        check(buildah, broken)


def test_the_debian_with_pip_would_be_refused(buildah: Buildah) -> None:
    config = json.loads(json.loads(buildah("inspect", "--type", "image", DEBIAN))["Config"])[
        "config"
    ]
    with buildah.mounted(DEBIAN) as root:
        found = faults(config, root)
    assert "it runs as '': name a user by a number that is not 0" in found
    assert "it holds usr/local/bin/pip" in found
    assert "it holds usr/local/lib/python3.11/dist-packages/pip" in found
    assert "it has no label org.opencontainers.image.title" in found


@pytest.mark.parametrize("user", ["", "root", "0:0", "0:65532", "orfeon", "65532"])
def test_a_user_without_a_number_of_its_own_is_refused(user: str, tmp_path: Path) -> None:
    assert f"it runs as '{user}': name a user by a number that is not 0" in faults(
        {"User": user}, tmp_path
    )


def test_settings_of_the_builder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "pip.conf").write_text("[global]\n", "utf-8")
    assert "it holds the builder's etc/pip.conf" in faults({}, tmp_path)


def test_what_is_no_image_is_refused_with_those_that_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.build_images", "gatway"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(
        r"skaffold\.yaml has no orfeon-gatway; it has .*orfeon-gateway.*\n", done.stderr
    )


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="Images are built as root: sudo make images"):
        require_programs()


def test_who_lacks_a_program_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(SystemExit, match="apt-get install buildah debootstrap"):
        require_programs()
