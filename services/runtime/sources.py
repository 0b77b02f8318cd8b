"""Where the files of models come from: installed packages, a hub, URLs, this machine."""

import importlib
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from services.runtime.errors import ServiceUnavailable
from services.runtime.manifest import HubSource, LocalSource, PackageSource, Source, UrlSource

if TYPE_CHECKING:
    import httpx

#: Told the bytes fetched so far.
Report = Callable[[int], None]


def relative(name: str) -> PurePosixPath:
    """`name` as a path that stays below the folder it is joined to, or `ServiceUnavailable`."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or "\\" in name or "\0" in name or ".." in path.parts:
        raise ServiceUnavailable(
            f"{name!r} is not a path below the model's folder; correct it in model.yaml."
        )
    return path


def pip_install(requirement: str) -> None:
    """Installs `name==version` into this environment, without its dependencies.

    Raises `ServiceUnavailable` with pip's last word when it does not work.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--no-deps", "--", requirement], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ServiceUnavailable(f"pip could not install {requirement}: {said}")
    importlib.invalidate_caches()


def hub_download(source: HubSource, folder: Path) -> Path:
    """Fetches a file of a Hugging Face repository below `folder`.

    What the hub's own cache already holds is copied from there, so that a cache carried to a
    machine without network is enough. The library reads HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE.
    """
    try:
        # Not at the top: it takes half a second, and few models need it.
        import httpx
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise ServiceUnavailable(
            f"{source.hub} comes from a hub: install huggingface-hub beside Orfeón."
        ) from error
    cached = huggingface_hub.try_to_load_from_cache(
        source.hub, source.path, revision=source.revision
    )
    try:
        if isinstance(cached, str):
            folder.mkdir(parents=True, exist_ok=True)
            return Path(shutil.copyfile(cached, folder / "cached"))
        return Path(
            huggingface_hub.hf_hub_download(
                source.hub, source.path, revision=source.revision, local_dir=folder
            )
        )
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError) as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ServiceUnavailable(
            f"{source.path} of {source.hub} at {source.revision} could not be fetched: {said}"
        ) from error


@dataclass(frozen=True)
class Sources:
    """Finds the bytes of a source on this machine, and fetches those that are elsewhere.

    The fields are the three ways out of this process; tests put their own in.
    """

    install: Callable[[str], None] = pip_install
    download: Callable[[HubSource, Path], Path] = hub_download
    transport: "httpx.BaseTransport | None" = None

    def present(self, source: Source, folder: Path) -> Path | None:
        """The file where it lies on this machine; None where it has to be fetched.

        `folder` is the one that holds `model.yaml`.
        """
        match source:
            case LocalSource():
                path: Path | None = _local(source, folder)
            case PackageSource():
                path = _in_package(source)
            case _:
                path = None
        return path if path is not None and path.is_file() else None

    def fetch(self, source: Source, folder: Path, staging: Path, report: Report) -> Path:
        """Brings the bytes of `source` to this machine, below `staging` if they are downloaded.

        Raises `ServiceUnavailable`. Calling it again goes on where a broken download ended.
        """
        match source:
            case LocalSource():
                raise ServiceUnavailable(f"{source.local} is not there; put the file in its place.")
            case PackageSource():
                self.install(source.package)
                installed = self.present(source, folder)
                if installed is None:
                    raise ServiceUnavailable(
                        f"{source.package} holds no file {source.path}; correct it in model.yaml."
                    )
                return installed
            case HubSource():
                relative(source.path)  # the hub's library would follow it wherever it leads
                return self.download(source, staging)
            case UrlSource():
                # Not at the top: httpx is a tenth of a container's start, and few models need it.
                from services.runtime.download import download

                return download(source.url, staging, report, self.transport)


def _local(source: LocalSource, folder: Path) -> Path:
    path = Path(source.local).expanduser()
    return path if path.is_absolute() else folder / relative(source.local)


def _in_package(source: PackageSource) -> Path | None:
    """The file inside its installed distribution, which is not imported."""
    name, _, version = source.package.partition("==")
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if distribution.version != version:
        return None
    return Path(str(distribution.locate_file(relative(source.path))))
