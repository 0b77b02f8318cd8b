"""The files of models on this machine: put together, verified, linked, removed."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.runtime.errors import ServiceUnavailable
from services.runtime.manifest import LocalSource, Manifest, ModelFile
from services.runtime.sources import Sources, relative

#: Told the file, its bytes so far and its bytes in total (0 where unknown).
Progress = Callable[[str, int, int], None]

_CHUNK = 1 << 20
_STAMP = ".verified.json"
_STAGING = ".pull"


def folder_name(model: str) -> str:
    """The name of a model's folder. Slashes, as in `organisation/name`, become two hyphens."""
    return model.replace("/", "--")


class ModelStore:
    """One folder a model below `root`, holding its files under the names that the engine looks for.

    Files of packages and of this machine are links; what was fetched is there itself. Beside them
    a stamp says which were verified, at which size and time, so that a start need not hash them.
    Several processes may work on one root.
    """

    def __init__(self, root: Path, sources: Sources) -> None:
        self._root = root
        self._sources = sources

    def path(self, manifest: Manifest) -> Path:
        """Where the model's files are, or would be."""
        return self._root / folder_name(manifest.name)

    def complete(self, manifest: Manifest) -> bool:
        """Whether every file is in place and as it was when it was verified."""
        folder = self.path(manifest)
        stamp = _read_stamp(folder)
        return folder.is_dir() and all(
            stamp.get(name) == _mark(folder / name, file) is not None
            for name, file in manifest.files.items()
        )

    def obtainable(self, manifest: Manifest, origin: Path) -> bool:
        """Whether every missing file lies on this machine, so that no network is needed."""
        folder = self.path(manifest)
        stamp = _read_stamp(folder)
        return all(
            stamp.get(name) == _mark(folder / name, file) is not None
            or _beside(origin, folder, name) is not None
            or all(self._sources.present(source, origin) for source in file.sources)
            for name, file in manifest.files.items()
        )

    def materialise(
        self, manifest: Manifest, origin: Path, *, fetch: bool, progress: Progress | None = None
    ) -> Path:
        """Puts every file in place and verifies it. `origin` is the folder of `model.yaml`.

        Raises `ServiceUnavailable` if something is missing and `fetch` is false, cannot be
        fetched, or does not have the checksum it should.
        """
        folder = self.path(manifest)
        try:
            with self._locked(manifest):
                folder.mkdir(parents=True, exist_ok=True)
                for name, file in manifest.files.items():
                    self._place(manifest, origin, name, file, fetch, progress)
                shutil.rmtree(folder / _STAGING, ignore_errors=True)
        except OSError as error:
            raise ServiceUnavailable(
                f"The files of {manifest.name} cannot be written: {error.strerror or error}."
            ) from error
        return folder

    def remove(self, manifest: Manifest) -> int:
        """Removes what was fetched and linked, never a file of the user's. Returns bytes freed."""
        folder = self.path(manifest)
        freed = 0
        with self._locked(manifest):
            for name, file in manifest.files.items():
                target = folder / _checked(name)
                if target.is_symlink():
                    target.unlink()
                elif target.is_file() and not _is_own(file, target, folder):
                    freed += target.stat().st_size
                    target.unlink()
            shutil.rmtree(folder / _STAGING, ignore_errors=True)
            (folder / _STAMP).unlink(missing_ok=True)
            _remove_empty(folder)
        return freed

    def _place(
        self,
        manifest: Manifest,
        origin: Path,
        name: str,
        file: ModelFile,
        fetch: bool,
        progress: Progress | None,
    ) -> None:
        folder = self.path(manifest)
        target = folder / _checked(name)
        if _read_stamp(folder).get(name) == _mark(target, file) is not None:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if not self._adopt(target, file):
            paths = self._gather(manifest, origin, name, file, fetch, progress)
            self._verify_and_put(paths, target, name, file, folder / _STAGING)
        _write_stamp(folder, name, _mark(target, file))
        if progress is not None:
            size = target.stat().st_size
            progress(name, size, size)

    def _adopt(self, target: Path, file: ModelFile) -> bool:
        """Whether a fetched file that has lost its stamp is still what it should be."""
        if target.is_symlink() or not target.is_file() or file.sha256 is None:
            return False
        return _size_fits(target, file) and _hash([target], None) == file.sha256

    def _gather(
        self,
        manifest: Manifest,
        origin: Path,
        name: str,
        file: ModelFile,
        fetch: bool,
        progress: Progress | None,
    ) -> list[Path]:
        """The parts of one file, in order, fetched where they are not on this machine."""
        whole = _beside(origin, self.path(manifest), name)
        if whole is not None:
            return [whole]
        paths: list[Path] = []
        for index, source in enumerate(file.sources):
            path = self._sources.present(source, origin)
            if path is None and not fetch:
                raise ServiceUnavailable(
                    f"The model {manifest.name} is not on this machine; "
                    f"fetch it with: orfeon models pull {manifest.name}"
                )
            if path is None:
                before = sum(part.stat().st_size for part in paths)

                def report(done: int, before: int = before) -> None:
                    if file.size is not None and before + done > file.size:
                        raise ServiceUnavailable(
                            f"{name} of {manifest.name} is longer than the {file.size} bytes "
                            "that model.yaml states; nothing was kept."
                        )
                    if progress is not None:
                        progress(name, before + done, file.size or 0)

                staging = self.path(manifest) / _STAGING / name / str(index)
                try:
                    path = self._sources.fetch(source, origin, staging, report)
                finally:
                    _discard_overlong(staging, file)
            paths.append(path)
        return paths

    def _verify_and_put(
        self, paths: list[Path], target: Path, name: str, file: ModelFile, staging: Path
    ) -> None:
        fetched = [path for path in paths if path.is_relative_to(staging)]
        joined: Path | None = None
        if len(paths) > 1:
            joined = staging / name / "joined"
            joined.parent.mkdir(parents=True, exist_ok=True)
        found = _hash(paths, joined)
        if file.sha256 is not None and found != file.sha256:
            for path in (*fetched, *([joined] if joined else [])):
                path.unlink()
            raise ServiceUnavailable(
                f"{name} does not have the checksum that model.yaml states "
                f"(it should be {file.sha256[:12]}…, it is {found[:12]}…); "
                + ("it was removed, pull it again." if fetched else "correct one of the two.")
            )
        if joined is not None:
            joined.replace(target)
        elif fetched:
            fetched[0].replace(target)
        elif paths[0].absolute() != target.absolute():
            _link(paths[0].absolute(), target)

    @contextmanager
    def _locked(self, manifest: Manifest) -> Iterator[None]:
        """Holds the model against other processes. The lock dies with the process."""
        locks = self._root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / folder_name(manifest.name)).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _checked(name: str) -> str:
    """`name`, if it is one that a file of a model may have."""
    path = relative(name)
    if any(part.startswith(".") for part in path.parts) or name == "model.yaml":
        raise ServiceUnavailable(f"{name!r} is no name for a model's file; correct model.yaml.")
    return name


def _beside(origin: Path, folder: Path, name: str) -> Path | None:
    """The whole file where it lies beside a `model.yaml` that is not the one in `folder`."""
    path = origin / name
    return path if origin != folder and path.is_file() else None


def _mark(target: Path, file: ModelFile) -> list[object] | None:
    """What tells a verified file from another: its size, its time, and what it had to hash to."""
    try:
        stat = target.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns, file.sha256]


def _read_stamp(folder: Path) -> dict[str, object]:
    try:
        stamp = json.loads((folder / _STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _write_stamp(folder: Path, name: str, mark: list[object] | None) -> None:
    fresh = folder / (_STAMP + ".new")
    fresh.write_text(json.dumps(_read_stamp(folder) | {name: mark}), "utf-8")
    fresh.replace(folder / _STAMP)


def _size_fits(path: Path, file: ModelFile) -> bool:
    return file.size is None or path.stat().st_size == file.size


def _discard_overlong(staging: Path, file: ModelFile) -> None:
    """Throws away a download that can no longer become the file, so that none goes on from it."""
    for path in (staging / "download.part", staging / "download"):
        if file.size is not None and path.is_file() and path.stat().st_size > file.size:
            path.unlink()


def _hash(paths: list[Path], joined: Path | None) -> str:
    """SHA-256 of the files end to end, written to `joined` on the way if it is given."""
    digest = hashlib.sha256()
    with joined.open("wb") if joined else open(os.devnull, "wb") as out:
        for path in paths:
            with path.open("rb") as part:
                while chunk := part.read(_CHUNK):
                    digest.update(chunk)
                    if joined:
                        out.write(chunk)
    return digest.hexdigest()


def _link(source: Path, target: Path) -> None:
    """Makes `target` a link to `source`, at once, whatever was there."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(source)
    fresh.replace(target)


def _is_own(file: ModelFile, target: Path, folder: Path) -> bool:
    """Whether the user put the file there: its source is the very file."""
    return any(
        isinstance(source, LocalSource) and folder / source.local == target
        for source in file.sources
    )


def _remove_empty(folder: Path) -> None:
    """Removes the folders below and including `folder` that hold nothing."""
    for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
