"""Archives from strangers: zip, or tar with or without compression, read in bounded memory.

Nothing in an archive is trusted: not its names, its sizes, its directory or its kinds of entry.
"""

import bz2
import gzip
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from services.runtime.storage import storing

_PIECE = 256 * 1024
#: Largest directory of a zip, and largest header of a tar, that is read: both are held in memory.
_MAX_DIRECTORY, _MAX_HEADER = 64 * 2**20, 2**20
_MAX_DEPTH, _MAX_NAME = 16, 255
#: LZMA is not among them: it takes as much memory as the archive wishes.
_KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_END, _LOCATOR, _END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
_TRY_AGAIN = "Pack the recordings anew as zip or tar.gz."


class ArchiveError(Exception):
    """An archive that is not unpacked: a sentence that says what to change."""


_DAMAGED = ArchiveError(f"The archive is damaged or cut short. {_TRY_AGAIN}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What may come out of an archive: entries, bytes of all together."""

    entries: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive. `parts` is its path, checked; `open` reads it, while it is its turn."""

    parts: tuple[str, ...]
    size: int
    open: Callable[[], IO[bytes]]


class _Narrow:
    """A stream in which nobody reads more at a time than a header of a tar may take."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_HEADER:
            raise ArchiveError(f"The archive has a header that is too large. {_TRY_AGAIN}")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def entries(path: Path, limits: Limits) -> Iterator[Entry]:
    """The files of an archive, in their order, hidden ones left out. Raises `ArchiveError`."""
    with _sound():
        found = _of_zip(path) if zipfile.is_zipfile(path) else _of_tar(path)
        count = total = 0
        seen: set[tuple[str, ...]] = set()
        for entry in found:
            count, total = count + 1, total + entry.size
            if count > limits.entries:
                raise ArchiveError(f"The archive holds more than {limits.entries:,} files.")
            if total > limits.bytes:
                raise ArchiveError(
                    f"The archive unpacks to more than the {limits.bytes:,} bytes that it may."
                )
            if any(part.startswith(".") or part == "__MACOSX" for part in entry.parts):
                continue
            if entry.parts in seen:
                raise ArchiveError(f"The archive holds {'/'.join(entry.parts)} twice.")
            seen.add(entry.parts)
            yield entry


def unpack(path: Path, folder: Path, limits: Limits, cancelled: Callable[[], bool]) -> None:
    """Writes an archive's files below `folder`, which is made; stops early once `cancelled`.

    Raises `ArchiveError`, `InsufficientStorage`.
    """
    left = limits.bytes
    for entry in entries(path, limits):
        target = folder.joinpath(*entry.parts)
        with storing(), _sound():
            target.parent.mkdir(parents=True, exist_ok=True)
            with entry.open() as source, target.open("xb") as file:
                while data := source.read(_PIECE):
                    if cancelled():
                        return
                    # What it said of its size may have been a lie.
                    left -= len(data)
                    if left < 0:
                        raise ArchiveError(
                            f"The archive unpacks to more than the {limits.bytes:,} bytes that "
                            "it may."
                        )
                    file.write(data)


@contextmanager
def _sound() -> Iterator[None]:
    """Turns what the libraries say of a broken archive into a sentence."""
    try:
        yield
    except (
        tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError,
        OverflowError,
    ) as error:  # fmt: skip
        raise _DAMAGED from error
    except (NotImplementedError, RuntimeError) as error:
        raise ArchiveError(f"The archive is encrypted. {_TRY_AGAIN}") from error
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise ArchiveError("The archive holds one name both as a file and as a folder.") from error
    except OSError as error:
        # Decompressors raise it without a number.
        if error.errno is not None:
            raise
        raise _DAMAGED from error


def _of_zip(path: Path) -> Iterator[Entry]:
    if _directory_bytes(path) > _MAX_DIRECTORY:
        raise ArchiveError("The archive's table of contents is too large.")
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise _no_link(info.filename)
            if info.compress_type not in _KNOWN:
                raise ArchiveError(f"The archive is compressed in an unusual way. {_TRY_AGAIN}")
            yield Entry(_parts(info.filename), info.file_size, _opener(archive, info))


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: archive.open(info)


def _directory_bytes(path: Path) -> int:
    """The size of a zip's table of contents, as the last of its records tell it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2**16 - 98))
        tail = file.read()
    end = tail.rfind(_END)
    if end < 0:
        raise _DAMAGED
    told: int = struct.unpack_from("<L", tail, end + 12)[0]
    if tail[end - 20 : end - 16] == _LOCATOR and tail[end - 76 : end - 72] == _END64:
        told = max(0 if told == 2**32 - 1 else told, struct.unpack_from("<Q", tail, end - 36)[0])
    return told


def _of_tar(path: Path) -> Iterator[Entry]:
    with _decompressed(path) as stream, tarfile.open(
        fileobj=cast(IO[bytes], _Narrow(stream)), mode="r:"
    ) as archive:  # fmt: skip
        for info in archive:
            # Else it would remember all of them.
            archive.members = []  # type: ignore[attr-defined]
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                raise _no_link(info.name)
            yield Entry(_parts(info.name), info.size, _member(archive, info))


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], IO[bytes]]:
    # A regular file has contents.
    return lambda: cast(IO[bytes], archive.extractfile(info))


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path))
    if start.startswith(b"BZh"):
        return cast(IO[bytes], bz2.open(path))
    # Where tar has had its mark since 1988. Python's own check would read what a header wishes.
    if start[257:262] != b"ustar":
        raise ArchiveError(
            "The file is no archive: upload a zip or a tar.gz of recordings, in folders that are "
            "called as their labels or with a table, metadata.csv."
        )
    return path.open("rb")


def _parts(name: str) -> tuple[str, ...]:
    """The path of an entry, which stays inside. Raises `ArchiveError`."""
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
    inside = bool(parts) and ".." not in parts and not name.startswith(("/", "\\"))
    drive = bool(parts) and len(parts[0]) == 2 and parts[0].endswith(":")
    if not inside or drive or "\0" in name:
        raise ArchiveError("The archive holds a path that leads out of it.")
    if len(parts) > _MAX_DEPTH or any(len(os.fsencode(part)) > _MAX_NAME for part in parts):
        raise ArchiveError("The archive holds a path that is too long.")
    return parts


def _no_link(name: str) -> ArchiveError:
    return ArchiveError(
        f"The archive holds {name[:80]!r}, which is a link or a device; pack files alone."
    )
