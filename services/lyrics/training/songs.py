"""Songs from a table in the layout of Genius: title, tag, artist, lyrics, language."""

import csv
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.lyrics.prompt import heading
from services.lyrics.training.errors import TrainingError
from services.runtime.sections import KINDS, Kind

COLUMNS = ("title", "tag", "artist", "lyrics", "language")
_HEADER = re.compile(r"^\[([^\]]*)\]$")
#: Kinds of section by the names that tables have for them.
_KINDS: dict[str, Kind] = {
    **{kind: kind for kind in KINDS},
    "pre chorus": "pre-chorus", "hook": "chorus", "refrain": "chorus",
}  # fmt: skip
_MOST_TAGS = 20

Progress = Callable[[int], None]
"""Told how many bytes of the table have been read."""


@dataclass(frozen=True, slots=True)
class Song:
    """One song. `lyrics` are sections with a heading each, and an empty line between them."""

    title: str
    artist: str
    lyrics: str


def check(path: Path) -> None:
    """Raises `TrainingError` for a file that is no table of songs, by its beginning."""
    next(_rows(path, lambda _count: None), None)


def songs(path: Path, genre: str, language: str, progress: Progress) -> Iterator[Song]:
    """The songs of a genre and language, row by row; the table is never in memory whole.

    `genre` and `language` are matched without regard to case; an empty `language` takes all. Rows
    without lyrics are left out. Raises `TrainingError`, also where there is no such song.
    """
    tags: set[str] = set()
    found = False
    for title, tag, artist, lyrics, spoken in _rows(path, progress):
        if len(tags) < _MOST_TAGS:
            tags.add(tag.strip()[:20])
        if tag.casefold().strip() != genre.casefold():
            continue
        if language and spoken.casefold().strip() != language.casefold():
            continue
        text = cleaned(lyrics)
        if text:
            found = True
            yield Song(_line(title), _line(artist), text)
    if not found:
        spoken = f" in the language '{language}'" if language else ""
        raise TrainingError(
            f"{path} has no song tagged '{genre}'{spoken} that has lyrics; "
            f"its tags are: {', '.join(sorted(tags - {''})) or 'none'}."
        )


def cleaned(lyrics: str) -> str:
    """Lyrics as sections: each has a heading as the service writes it, `[Verse 1]` or `[Chorus]`.

    Headings that are there are read, a section without one is a verse, and so is one of a kind that
    we do not know. Empty for lyrics without a line.
    """
    sections: list[tuple[Kind, list[str]]] = []
    kind: Kind = "verse"
    fresh = True
    for line in map(_line, lyrics.splitlines()):
        header = _HEADER.match(line)
        if header:
            kind, fresh = _kind(header[1]), True
        elif not line:
            fresh = True
        else:
            if fresh:
                sections.append((kind, []))
                kind, fresh = "verse", False
            sections[-1][1].append(line)
    kinds = [kind for kind, _ in sections]
    return "\n\n".join(
        "\n".join([f"[{heading(kinds, at)}]", *lines]) for at, (_, lines) in enumerate(sections)
    )


def _kind(header: str) -> Kind:
    name = header.partition(":")[0].casefold().rstrip("0123456789 ")
    return _KINDS.get(name, "verse")


def _line(text: str) -> str:
    """One line without stray blanks and control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _rows(path: Path, progress: Progress) -> Iterator[tuple[str, ...]]:
    if not path.is_file():
        raise TrainingError(f"{path} is not a file; name a CSV or Parquet file.")
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            yield from _parquet(path, progress)
            return
    with path.open("rb") as file:
        yield from _csv(path, file, progress)


def _csv(path: Path, file: IO[bytes], progress: Progress) -> Iterator[tuple[str, ...]]:
    # The limit is the whole process's, and others rely on it.
    limit = csv.field_size_limit(min(sys.maxsize, 1 << 30))
    reader = csv.reader(_lines(path, file, progress), strict=True)
    try:
        header = next(reader, [])
        places = _places(path, header)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise TrainingError(
                    f"{path}, line {reader.line_num}: {len(row)} fields where the header has "
                    f"{len(header)}; quote fields that hold commas or line breaks."
                )
            yield tuple(row[place] for place in places)
    except csv.Error as error:
        raise TrainingError(f"{path}, line {reader.line_num}: not CSV ({error}).") from error
    finally:
        csv.field_size_limit(limit)


def _lines(path: Path, file: IO[bytes], progress: Progress) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        progress(len(line))
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise TrainingError(
                f"{path}, line {number}: not UTF-8; save the table as CSV in UTF-8, or as Parquet."
            ) from error


def _parquet(path: Path, progress: Progress) -> Iterator[tuple[str, ...]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path)
        _places(path, table.schema_arrow.names)
        size, rows = path.stat().st_size, max(1, table.metadata.num_rows)
        for batch in table.iter_batches(batch_size=256, columns=list(COLUMNS)):
            columns = [batch.column(name).to_pylist() for name in COLUMNS]
            for row in zip(*columns, strict=True):
                yield tuple("" if value is None else str(value) for value in row)
            progress(size * len(batch) // rows)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path} cannot be read as Parquet: {reason}.") from error


def _places(path: Path, header: list[str]) -> list[int]:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise TrainingError(
            f"{path} has no column {', '.join(missing)}; "
            f"it needs a header with {', '.join(COLUMNS)}."
        )
    return [header.index(name) for name in COLUMNS]
