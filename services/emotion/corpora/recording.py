"""One clip of a corpus, and what is told of a corpus that cannot be used."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: What a clip may be called.
SUFFIXES = frozenset({".aac", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".webm"})

#: What corpora may be split into by a column of their own.
SPLITS = ("train", "validation", "test")


class CorpusError(Exception):
    """A corpus that cannot be used: a sentence that says what was expected."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One clip, what is heard in it and who speaks.

    `speaker` names the corpus too, such as `ravdess/07`, and is empty where nobody knows. `split`
    is empty where the corpus has none.
    """

    path: Path
    label: str
    speaker: str = ""
    split: str = ""


def clips(folder: Path) -> list[Path]:
    """All files below `folder` that are called like audio, in the order of their names.

    Raises `CorpusError` where there is no such folder.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder. Name the folder that holds the clips.")
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()
    )


def distinct(recordings: Iterable[Recording]) -> list[Recording]:
    """Without those whose content came before under another name: RAVDESS has such a pair.

    A clip that cannot be read stays: whoever decodes it names it.
    """
    kept = list(recordings)
    sizes = Counter(_size(recording) for recording in kept)
    return list(_distinct(kept, {size for size, count in sizes.items() if count > 1}))


def _distinct(recordings: list[Recording], suspicious: set[int]) -> Iterator[Recording]:
    seen: set[bytes] = set()
    for recording in recordings:
        if _size(recording) in suspicious:
            try:
                digest = hashlib.sha256(recording.path.read_bytes()).digest()
            except OSError:
                digest = str(recording.path).encode("utf-8", "surrogateescape")
            if digest in seen:
                continue
            seen.add(digest)
        yield recording


def _size(recording: Recording) -> int:
    try:
        return recording.path.stat().st_size
    except OSError:
        return -1
