"""The words of a song, line by line, and as the documents that its owner gets."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from services.song.singing import Note


@dataclass(frozen=True, slots=True)
class Line:
    """A line: `section` counts from 0, `kind` is that section's."""

    section: int
    kind: str
    text: str
    syllables: int


@dataclass(frozen=True, slots=True)
class Words:
    """All lines in order."""

    lines: tuple[Line, ...]

    def sections(self) -> list[tuple[str, list[Line]]]:
        """The sections: the kind of each, and its lines."""
        return [
            (kind, list(lines))
            for (_, kind), lines in groupby(self.lines, lambda line: (line.section, line.kind))
        ]

    def text(self) -> str:
        """Sections with a heading each, an empty line between them."""
        blocks = (
            "\n".join([f"[{kind.capitalize()}]", *(line.text for line in lines)])
            for kind, lines in self.sections()
        )
        return "\n\n".join(blocks) + "\n"

    def to_json(self) -> bytes:
        """As it is kept, and given to its owner."""
        return json.dumps({"lines": [asdict(line) for line in self.lines]}, indent=1).encode()

    @staticmethod
    def from_json(document: bytes) -> "Words":
        """As they were."""
        return Words(tuple(Line(**line) for line in json.loads(document)["lines"]))


@dataclass(frozen=True, slots=True)
class Score:
    """The notes of each line of the words, in order."""

    lines: tuple[tuple[Note, ...], ...]

    def to_json(self) -> bytes:
        """As it is kept."""
        rows = [[list(note) for note in line] for line in self.lines]
        return json.dumps(rows).encode()

    @staticmethod
    def from_json(document: bytes) -> "Score":
        """As it was."""
        rows: Sequence[Sequence[Sequence[Any]]] = json.loads(document)
        return Score(tuple(tuple(Note(*note) for note in line) for line in rows))
