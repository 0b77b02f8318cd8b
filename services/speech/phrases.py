"""Cuts what is to be spoken into pieces short enough to be synthesised in one go."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

_CLAUSE_ENDS = frozenset(",;:")
#: The same of scripts that put no space after them.
_WIDE_CLAUSE_ENDS = frozenset("，、；：")
_SENTENCE_END = re.compile(r"(?<=[.!?…।])\s+|(?<=[。！？])|\n+")


def speakable(text: str) -> str:
    """The text without what no voice can say: control characters, doubled square brackets.

    Piper would take `[[...]]` for phonemes, and a NUL would end the text.
    """
    kept = "".join(
        character if character == "\n" or unicodedata.category(character) != "Cc" else " "
        for character in text
    )
    return kept.replace("[[", " ").replace("]]", " ")


def sentences(text: str, shortest: int) -> Iterator[str]:
    """The sentences of a text, by their punctuation, without the spaces around them.

    One of fewer than `shortest` characters goes with the next: that keeps `Dr.` beside a name, and
    some voices make things up after a word alone.
    """
    begun = ""
    for part in _SENTENCE_END.split(text):
        begun = f"{begun} {part}".strip()
        if len(begun) >= shortest:
            yield begun
            begun = ""
    if begun:
        yield begun


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
        if phonemes[at] in _WIDE_CLAUSE_ENDS:
            return at + 1
        if phonemes[at] == " ":
            if phonemes[at - 1] in _CLAUSE_ENDS:
                return at + 1
            after_word = after_word or at + 1
    return after_word or limit
