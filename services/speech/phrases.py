"""Cuts what is to be spoken into pieces short enough to be synthesised in one go."""

import unicodedata
from collections.abc import Iterator, Sequence

_CLAUSE_ENDS = frozenset(",;:")


def speakable(text: str) -> str:
    """The text without what no voice can say: control characters, doubled square brackets.

    Piper would take `[[...]]` for phonemes, and a NUL would end the text.
    """
    kept = "".join(
        character if character == "\n" or unicodedata.category(character) != "Cc" else " "
        for character in text
    )
    return kept.replace("[[", " ").replace("]]", " ")


def phrases(phonemes: Sequence[str], longest: int) -> Iterator[Sequence[str]]:
    """Cuts a sentence of more than `longest` phonemes: after a clause, else between words.

    Synthesis takes memory that grows with the square of the length, and nothing of a sentence is
    heard before all of it is made.
    """
    start = 0
    while len(phonemes) - start > longest:
        stop = _cut(phonemes, start, start + longest)
        yield phonemes[start:stop]
        start = stop
    if start < len(phonemes):
        yield phonemes[start:]


def _cut(phonemes: Sequence[str], start: int, limit: int) -> int:
    """Where to cut `phonemes[start:limit]`. The first quarter is left whole: no scraps."""
    after_word = 0
    for at in range(limit - 1, start + (limit - start) // 4, -1):
        if phonemes[at] == " ":
            if phonemes[at - 1] in _CLAUSE_ENDS:
                return at + 1
            after_word = after_word or at + 1
    return after_word or limit
