"""Rhymed English verse as a table of songs: `python -m services.lyrics.training.verse --help`.

Reads the English part of the Chicago Rhyming Poetry Corpus, which is in the public domain, and
takes from it three forms, each of which a model can be seen to learn or not: ballads (quatrains
rhymed abab or abcb), couplets and sonnets. They stand where genres do; they are none.
"""

import csv
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from services.lyrics.training.errors import TrainingError
from services.lyrics.training.songs import COLUMNS

#: Poets whose every line is kept apart: one of them has all three forms.
UNSEEN = ("William Wordsworth", "Oliver Goldsmith")
_COUPLETS = {"a a *", "a a", "a a b b", "a a b b c c"}
_BALLAD = {"a b a b", "a b c b"}


class Poem(NamedTuple):
    """Stanzas of one form that follow one another under one title."""

    title: str
    form: str
    poet: str
    stanzas: tuple[str, ...]


def poems(path: Path) -> Iterator[Poem]:
    """The poems of one poet's file that have one of the three forms."""
    poet = title = ""
    stanzas: list[tuple[str, str, str]] = []
    for block in re.split(r"^(?=(?:AUTHOR|TITLE|RHYME) ?)", _text(path), flags=re.MULTILINE):
        head, _, body = block.partition("\n")
        key, _, value = head.partition(" ")
        if key == "AUTHOR":
            poet = value.strip()
        elif key == "TITLE":
            title = value.strip()
        elif key == "RHYME":
            lines = [line.strip() for line in body.splitlines() if line.strip()]
            stanzas.append((title, _form(value.strip(), len(lines)), "\n".join(lines)))
    for (of, form), group in itertools.groupby(stanzas, key=lambda stanza: stanza[:2]):
        texts = tuple(text for _, _, text in group)
        if form == "sonnet":
            # Each is a poem of its own, whatever the title of their cycle.
            yield from (Poem(of, form, poet, (text,)) for text in texts)
        elif form and "".join(texts):
            yield Poem(of, form, poet, texts)


def _text(path: Path) -> str:
    """A file's text, of which some lines are in UTF-8 and others were written on a Macintosh."""
    return "".join(map(_line, path.read_bytes().splitlines(keepends=True)))


def _line(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("mac-roman")


def _form(rhyme: str, lines: int) -> str:
    if rhyme in _COUPLETS:
        return "couplets"
    if rhyme in _BALLAD and lines % 4 == 0:
        return "ballad"
    return "sonnet" if lines == 14 else ""


def convert(
    data: Annotated[Path, typer.Option(help="The folder 'verse' of the data.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Table to train on.")],
    unseen: Annotated[Path, typer.Option(help="Table of the poets kept apart.")],
) -> None:
    """Make two tables of English verse: to train on, and of poets that nobody trains on."""
    folder = data / "rhymedata" / "english_raw"
    paths = sorted(folder.glob("*.txt"))
    if not paths:
        raise TrainingError(f"{folder} holds no verse.")
    with output.open("w", encoding="utf-8") as one, unseen.open("w", encoding="utf-8") as other:
        tables = [csv.writer(file) for file in (one, other)]
        for table in tables:
            table.writerow(COLUMNS)
        for poem in itertools.chain.from_iterable(map(poems, paths)):
            text = "\n\n".join(poem.stanzas)
            row = (poem.title, poem.form, poem.poet, text, "en")
            tables[poem.poet in UNSEEN].writerow(row)


if __name__ == "__main__":
    try:
        typer.run(convert)
    except TrainingError as error:
        sys.exit(f"orfeon: {error}")
