"""Corpora of anybody's own: folders called as the labels, or a table."""

import csv
from pathlib import Path

from services.emotion.corpora.recording import SPLITS, CorpusError, Recording, clips, distinct

_COLUMNS = ("path", "label", "speaker", "split")


def from_folders(folder: Path) -> list[Recording]:
    """`<label>/<clip>`, or `<label>/<speaker>/<clip>`, where the folder between is who speaks.

    Each clip once, in the order of their names. Raises `CorpusError`.
    """
    found = []
    for path in clips(folder):
        label, *between = path.relative_to(folder).parts[:-1] or ("",)
        if label:
            speaker = f"{folder.resolve().name}/{between[0]}" if between else ""
            found.append(Recording(path, label, speaker))
    if not found:
        raise CorpusError(
            f"{folder} holds no clips in folders. Put each into a folder that is called as its "
            "label, such as happy/01.wav, or name a table with the columns path and label."
        )
    return distinct(found)


def from_table(table: Path) -> list[Recording]:
    """A CSV with the columns `path` and `label`, and where they are known `speaker` and `split`.

    Paths are relative to the table; `split` is train, validation or test. Raises `CorpusError`.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(table, reader.fieldnames or ())
            found = [_row(table, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table} cannot be read as a table: {error}.") from error
    if not found:
        raise CorpusError(f"{table} has no rows. Write a row for each clip.")
    return distinct(found)


def _check_columns(table: Path, columns: object) -> None:
    have = set(columns) if isinstance(columns, list | tuple) else set()
    if missing := [name for name in _COLUMNS[:2] if name not in have]:
        raise CorpusError(
            f"{table} has no column {missing[0]}. The first row names the columns: path, label, "
            "and where they are known speaker and split."
        )


def _row(table: Path, line: int, row: dict[str, str | None]) -> Recording:
    path, label, speaker, split = ((row.get(name) or "").strip() for name in _COLUMNS)
    if not path or not label:
        raise CorpusError(f"{table}, line {line}: a row needs a path and a label.")
    if split and split not in SPLITS:
        raise CorpusError(
            f"{table}, line {line}: split is '{split}', but can be {', '.join(SPLITS)}."
        )
    return Recording(
        table.parent / path, label, f"{table.stem}/{speaker}" if speaker else "", split
    )
