"""The files of one job: artifacts for its owner, and what the steps leave to one another.

Every file is whole or not there: it is written under another name, synced, and renamed.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.runtime.errors import NotFound
from services.runtime.storage import storing, sync_folder

_MEDIA_TYPES = {
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".mid": "audio/midi",
    ".musicxml": "application/vnd.recordare.musicxml+xml",
    ".txt": "text/plain; charset=utf-8",
    ".lrc": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
}
#: What a listener looks for comes first.
_ORDER = ("song.mp3", "instrumental.mp3", "vocals.mp3", "lyrics", "melody", "cover", "stem")

VOICE = "voice"


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """A file for the owner: its name, and its size in bytes."""

    name: str
    bytes: int

    @property
    def media_type(self) -> str:
        """What is in it."""
        return _MEDIA_TYPES.get(Path(self.name).suffix, "application/octet-stream")


class JobFolder:
    """The folder of one job. All methods block on the disk."""

    def __init__(self, songs: Path, job: str) -> None:
        self._root = songs / job
        self._artifacts = self._root / "artifacts"
        self._work = self._root / "kept"

    def exists(self) -> bool:
        """Whether the job has any files."""
        return self._root.is_dir()

    def age(self, now: float) -> float:
        """Seconds since it was made, `now` in Unix seconds; 0 where there is none."""
        try:
            return now - self._root.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def publish(self, files: Mapping[str, bytes]) -> None:
        """Writes artifacts, all or none. Raises `InsufficientStorage`."""
        self._write_all(self._artifacts, files)

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Writes what later steps need, all or none. Raises `InsufficientStorage`."""
        self._write_all(self._work, files)

    def kept(self, name: str) -> bytes:
        """What an earlier step left."""
        return (self._work / name).read_bytes()

    def keep_voice(self, parts: Iterable[bytes]) -> None:
        """Writes the recording of a voice. Raises `InsufficientStorage`."""
        with storing():
            _write(self._made(self._work), VOICE, parts)

    def voice(self) -> Path:
        """Where the recording lies."""
        return self._work / VOICE

    def forget_voice(self) -> None:
        """Removes the recording, if it is still there."""
        (self._work / VOICE).unlink(missing_ok=True)

    def artifacts(self) -> list[ArtifactFile]:
        """What there is for the owner, best first."""
        try:
            with os.scandir(self._artifacts) as entries:
                found = [
                    ArtifactFile(entry.name, entry.stat().st_size)
                    for entry in entries
                    if not entry.name.startswith(".")
                ]
        except FileNotFoundError:  # Removed, perhaps at this moment.
            return []
        return sorted(found, key=lambda file: (_place(file.name), file.name))

    def artifact(self, name: str) -> tuple[ArtifactFile, Path]:
        """One artifact and where it lies. Raises `NotFound`."""
        for file in self.artifacts():
            if file.name == name:
                return file, self._artifacts / name
        raise NotFound("This song has no artifact of that name; see its list.", param="name")

    def artifact_bytes(self, name: str) -> bytes:
        """What is in an artifact that an earlier step made."""
        return (self._artifacts / name).read_bytes()

    def take_over(self, other: "JobFolder", files: Iterable[str]) -> None:
        """Gives this job files of another's steps. They share their bytes on the disk.

        Raises `NotFound` where the other's have just expired, `InsufficientStorage`.
        """
        for name in files:
            for theirs, ours in ((other._artifacts, self._artifacts), (other._work, self._work)):
                if (theirs / name).is_file():
                    with storing(), contextlib.suppress(FileExistsError):
                        os.link(theirs / name, self._made(ours) / name)
                    break
            else:
                raise NotFound("The files of that job are no longer there.", param="job_id")

    def remove(self) -> None:
        """Removes everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _made(self, folder: Path) -> Path:
        # Recordings of voices and songs are their owner's, not every user's of the machine.
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        return folder

    def _write_all(self, folder: Path, files: Mapping[str, bytes]) -> None:
        with storing():
            self._made(folder)
            written: list[Path] = []
            try:
                for name, data in files.items():
                    written.append(folder / name)
                    _write(folder, name, [data])
            except OSError:
                for path in written:
                    path.unlink(missing_ok=True)
                raise


def _write(folder: Path, name: str, parts: Iterable[bytes]) -> None:
    part = folder / f".{name}.{secrets.token_hex(4)}"
    try:
        with part.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / name)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)


def _place(name: str) -> int:
    return next((at for at, start in enumerate(_ORDER) if name.startswith(start)), len(_ORDER))
