"""What a training file holds: recordings in folders that are their labels, or with a table."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from services.training.archive import ArchiveError, Entry, Limits, entries, unpack

#: Of a table, read as a whole.
_MAX_TABLE = 32 * 2**20
_TABLE = "metadata.csv"
COLUMNS = ("path", "label", "speaker", "split")
#: Where the examples lie below the folder that they are laid out in, and the table of both files.
TRAINING, VALIDATION, BOTH = "training", "validation", "examples.csv"


@dataclass(frozen=True, slots=True)
class Row:
    """A recording: its path in the archive, and what is said of it."""

    path: PurePosixPath
    label: str
    speaker: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class Examples:
    """What is in one archive. `root` is the folder in which everything is; `table` is empty where
    the folders are the labels.
    """

    root: PurePosixPath
    table: str
    rows: list[Row]


def look_through(path: Path, limits: Limits) -> Examples:
    """Checks an archive without unpacking it. Raises `ArchiveError`."""
    names: list[PurePosixPath] = []
    tables: dict[PurePosixPath, str] = {}
    for entry in entries(path, limits):
        name = PurePosixPath(*entry.parts)
        names.append(name)
        if name.suffix.lower() == ".csv" and len(entry.parts) <= 2:
            tables[name] = _text(entry)
    root = _root(names)
    at_root = {name.name: text for name, text in tables.items() if name.parent == root}
    clips = [name for name in names if name.suffix.lower() != ".csv"]
    if not clips:
        raise ArchiveError("The archive holds no recordings.")
    if not at_root:
        return Examples(root, "", list(_from_folders(clips, root)))
    if len(at_root) > 1 and _TABLE not in at_root:
        raise ArchiveError(f"The archive holds several tables; call the one to use {_TABLE}.")
    table = _TABLE if _TABLE in at_root else next(iter(at_root))
    return Examples(root, table, list(_from_table(at_root[table], root, set(clips))))


def lay_out(
    archives: list[Path],
    found: list[Examples],
    folder: Path,
    limits: Limits,
    cancelled: Callable[[], bool],
) -> None:
    """Unpacks a training file and, where there is one, a validation file below `folder`.

    Raises `ArchiveError`, `InsufficientStorage`.
    """
    for path, part in zip(archives, (TRAINING, VALIDATION), strict=False):
        unpack(path, folder / part, limits, cancelled)
    if len(found) == 1:
        return
    with (folder / BOTH).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for part, examples in zip((TRAINING, VALIDATION), found, strict=True):
            split: Literal["train", "validation"] = "train" if part == TRAINING else "validation"
            for row in examples.rows:
                kept = row.split if part == TRAINING and row.split == "test" else split
                writer.writerow([f"{part}/{row.path}", row.label, row.speaker, kept])


def data_path(folder: Path, found: list[Examples]) -> Path:
    """What the trainer is pointed at, once it is laid out."""
    if len(found) > 1:
        return folder / BOTH
    (only,) = found
    return folder / TRAINING / only.root / only.table


def _root(names: list[PurePosixPath]) -> PurePosixPath:
    """The folder that a packer put around everything, if any; never the only label there is."""
    tops = {name.parts[0] for name in names}
    around = len(tops) == 1 and any(
        len(name.parts) > 2 or (len(name.parts) == 2 and name.suffix.lower() == ".csv")
        for name in names
    )
    return PurePosixPath(next(iter(tops))) if around else PurePosixPath()


def _from_folders(names: list[PurePosixPath], root: PurePosixPath) -> Iterator[Row]:
    for name in names:
        label, *between = name.relative_to(root).parts[:-1] or ("",)
        yield Row(name, label, between[0] if between else "")


def _from_table(text: str, root: PurePosixPath, names: set[PurePosixPath]) -> Iterator[Row]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        missing = [name for name in COLUMNS[:2] if name not in (reader.fieldnames or ())]
        if missing:
            raise ArchiveError(
                f"The table has no column {missing[0]}; the first row names the columns: path, "
                "label and, where they are known, speaker and split."
            )
        found = 0
        for row in reader:
            path, *rest = ((row.get(name) or "").strip() for name in COLUMNS)
            if not path or not rest[0]:
                raise ArchiveError(
                    f"The table's line {reader.line_num} lacks a path or a label; write both."
                )
            place = PurePosixPath(path)
            if place.is_absolute() or ".." in place.parts or "\\" in path or "\0" in path:
                raise ArchiveError(
                    f"The table leads out of the archive in line {reader.line_num}; paths are "
                    "relative to it."
                )
            found += (root / place) in names
            yield Row(root / place, *rest)
    except csv.Error as error:
        raise ArchiveError(f"The table cannot be read: {error}.") from error
    if not found:
        raise ArchiveError(
            "No path of the table leads to a recording in the archive; paths are relative to it."
        )


def _text(entry: Entry) -> str:
    if entry.size > _MAX_TABLE:
        raise ArchiveError(f"A table may have {_MAX_TABLE:,} bytes.")
    with entry.open() as file:
        data = file.read(_MAX_TABLE + 1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ArchiveError("The table is not in UTF-8.") from None
