"""Lines that have been there before, and lines that go round in circles."""

import re
from collections.abc import Collection, Sequence

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
#: Most lines in a row that may be equal, in a song as it is given out.
MOST_EQUAL = 2


def words(line: str) -> list[str]:
    """The words of a line, in small letters."""
    return [word.casefold().replace("’", "'") for word in _WORD.findall(line)]


def key(line: str) -> str:
    """What two lines have in common that say the same."""
    return " ".join(words(line))


def goes_round(line: str) -> bool:
    """Whether a line says more than half of its words again."""
    said = words(line)
    return len(set(said)) * 2 <= len(said)


def longest_run(lines: Sequence[str]) -> int:
    """How many equal lines follow one another at most."""
    longest = run = 0
    for at, line in enumerate(lines):
        run = run + 1 if at and key(line) == key(lines[at - 1]) else 1
        longest = max(longest, run)
    return longest


def triples(line: str) -> set[tuple[str, ...]]:
    """Every three words in a row."""
    said = words(line)
    return {tuple(said[at : at + 3]) for at in range(len(said) - 2)}


def overlap(line: str, earlier: Collection[str]) -> float:
    """The share of a line's three words in a row that earlier lines have too, 0 to 1."""
    own = triples(line)
    seen = set().union(*map(triples, earlier))
    return len(own & seen) / len(own) if own else 0.0
