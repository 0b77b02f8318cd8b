"""Builds images where no registry is in reach, starts each, and asks it whether it is well.

    python -m scripts.build_images [--python IMAGE] [--profile gpu] [NAME...]

buildah builds the artifacts of skaffold.yaml, all or those that are named (gateway, emotion), on
the Python of a Debian that debootstrap makes. Needs both programs, and root. An image that is not
what scripts/image_check.py asks for ends it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.image_check import ImageRefused, faults, serve

ROOT = Path(__file__).resolve().parent.parent
#: Where images lie until `make clean`.
STORAGE = ROOT / "build" / "images"
#: The Debian that we make, in the stead of python:3.11-slim-bookworm.
DEBIAN = "localhost/orfeon-python:dev"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
#: Settings of pip here that hold in a build too: not those that name files of this machine.
PIP_SETTINGS = ("index-url", "proxy", "timeout", "trusted-host")


@dataclass(frozen=True)
class Artifact:
    """An image as skaffold.yaml has it built."""

    name: str
    dockerfile: str
    arguments: dict[str, str]
    requires: tuple[str, ...]


def artifacts(profile: str = "") -> dict[str, Artifact]:
    """Every image by its name, such as orfeon-gateway, as a profile of skaffold.yaml has it."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text("utf-8"))
    listed = config["build"]["artifacts"]
    for each in config["profiles"]:
        if each["name"] == profile:
            listed = each.get("build", {}).get("artifacts", listed)
    return {
        each["image"]: Artifact(
            name=each["image"],
            dockerfile=each["docker"]["dockerfile"],
            # What skaffold takes from its environment has a default in the Dockerfile.
            arguments={
                name: value
                for name, value in each["docker"].get("buildArgs", {}).items()
                if "{{" not in value
            },
            requires=tuple(need["image"] for need in each.get("requires", [])),
        )
        for each in listed
    }


class Buildah:
    """buildah with a storage of its own, so that it touches no other images of the machine."""

    def __init__(self, storage: Path) -> None:
        self._command = ["buildah", "--root", f"{storage}/root", "--runroot", f"{storage}/run"]

    def __call__(self, *arguments: str) -> str:
        """What it prints on stdout. Raises `CalledProcessError`; the cause is on stderr."""
        done = subprocess.run(
            [*self._command, *arguments], cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
        )
        return done.stdout.strip()

    def has(self, image: str) -> bool:
        """Whether there is such an image."""
        return bool(self("images", "--quiet", "--filter", f"reference={image}"))

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The folder with the files of an image; what is written there is lost."""
        container = self("from", "--pull-never", image)
        try:
            yield Path(self("mount", container))
        finally:
            self("rm", container)


def require_programs() -> None:
    """Ends with a sentence where images cannot be built here."""
    if os.geteuid() != 0:
        raise SystemExit("Images are built as root: sudo make images.")
    path = os.environ["PATH"] + ":/usr/sbin"
    if missing := [
        each for each in ("buildah", "debootstrap") if not shutil.which(each, path=path)
    ]:
        raise SystemExit(f"Install what is missing: apt-get install {' '.join(missing)}")


def make_debian(buildah: Buildah, folder: Path) -> None:
    """Makes the image of a Debian with `python` and `pip`, below `folder`."""
    root = folder / "debian"
    # Nothing of it has to outlive a failure of the machine.
    environment = {**os.environ, "DPKG_FORCE": "unsafe-io"}
    environment["PATH"] += ":/usr/sbin"
    packages = "--include=ca-certificates,python3"
    _run(["debootstrap", "--variant=minbase", packages, "bookworm", str(root)], environment)
    (root / "usr/bin/python").symlink_to("python3")
    # As in the official image, pip may write beside the Python that is there.
    (root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    _run([sys.executable, "-m", "pip", "download", "--no-deps", "--dest", f"{root}/tmp", "pip"])
    (wheel,) = (path.name for path in (root / "tmp").glob("pip-*.whl"))
    install = ["install", "--no-index", "--root-user-action=ignore", f"/tmp/{wheel}"]
    _run(["chroot", str(root), "python", f"/tmp/{wheel}/pip", *install], environment)
    for unneeded in (root / "tmp" / wheel, *(root / "var/cache/apt/archives").glob("*.deb")):
        unneeded.unlink()
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, str(root), "/")
    buildah("config", "--env", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    buildah("commit", "--quiet", "--rm", container, DEBIAN)


def build(buildah: Buildah, artifact: Artifact, python: str, folder: Path) -> None:
    """Builds an image; those that it requires are there already."""
    (folder / "pip.conf").write_text(_pip_settings(), "utf-8")
    arguments = {"PYTHON": python, **artifact.arguments}
    if artifact.requires:
        arguments["BASE"] = _tag(artifact.requires[0])
    buildah(
        "build", "--quiet", "--isolation", "chroot", "--format", "oci",
        "--volume", f"{folder}/pip.conf:/etc/pip.conf:ro",
        "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro",
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        "--file", artifact.dockerfile, "--tag", _tag(artifact.name), ".",
    )  # fmt: skip


def check(buildah: Buildah, artifact: Artifact) -> int:
    """The size of an image in bytes. Raises `ImageRefused` where it is not what it has to be."""
    inspected = json.loads(buildah("inspect", "--type", "image", _tag(artifact.name)))
    config: dict[str, Any] = json.loads(inspected["Config"])["config"]
    with buildah.mounted(_tag(artifact.name)) as root:
        if found := faults(config, root):
            raise ImageRefused("; ".join(found))
        if artifact.requires:
            serve(artifact.dockerfile.split("/")[-2], config, root)
    layers = json.loads(inspected["Manifest"])["layers"]
    return sum(int(layer["size"]) for layer in layers)


def _in_order(names: Sequence[str], known: dict[str, Artifact]) -> list[Artifact]:
    """The artifacts named, and before each what it requires."""
    ordered: dict[str, Artifact] = {}
    for name in names:
        for each in (*known[name].requires, name):
            ordered[each] = known[each]
    return list(ordered.values())


def _tag(name: str) -> str:
    return f"localhost/{name}:dev"


def _pip_settings() -> str:
    """What pip here is told of its index, as a pip.conf."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, text=True, capture_output=True
    )
    pairs = (line.partition("=") for line in listed.stdout.splitlines())
    settings = {name.rpartition(".")[2]: value.strip("'") for name, _, value in pairs}
    kept = [f"{name} = {settings[name]}" for name in PIP_SETTINGS if name in settings]
    return "\n".join(["[global]", *kept, ""])


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=DEBIAN, help="the image to build on instead")
    parser.add_argument("--profile", default="", help="the profile of skaffold.yaml to build")
    parser.add_argument("--storage", type=Path, default=STORAGE, help="where the images lie")
    parser.add_argument("names", nargs="*", metavar="NAME", help="gateway, emotion, ...")
    arguments = parser.parse_args()
    known = artifacts(arguments.profile)
    names = [f"orfeon-{name}" for name in arguments.names] or list(known)
    if unknown := sorted(set(names) - set(known)):
        raise SystemExit(f"skaffold.yaml has no {', '.join(unknown)}; it has {', '.join(known)}.")
    require_programs()
    buildah = Buildah(arguments.storage)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.python == DEBIAN and not buildah.has(DEBIAN):
            make_debian(buildah, Path(folder))
        for artifact in _in_order(names, known):
            start = time.monotonic()
            try:
                build(buildah, artifact, arguments.python, Path(folder))
                size = check(buildah, artifact)
            except ImageRefused as refused:
                raise SystemExit(f"{artifact.name}: {refused}") from None
            except subprocess.CalledProcessError:
                raise SystemExit(f"{artifact.name} was not built: see above.") from None
            seconds = time.monotonic() - start
            print(f"{artifact.name} {size / 1e6:.0f} MB {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
