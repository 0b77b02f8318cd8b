"""Finds words and phrases in a transcript with word times, near spellings among them.

Both sides are folded: letters and digits alone, without accents or case. A phrase is compared with
each run of whole words of about its length, written without spaces: so `ice cream` finds
`ice-cream` and `icecream`, and languages without spaces work too. Two spellings are as similar as
1 less their edit distance (Levenshtein, 1966) over the longer one's length.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol


class Word(Protocol):
    """A word of a transcript; times in seconds, probability 0 to 1."""

    @property
    def word(self) -> str:
        """As it is written, with whatever stands around it."""

    @property
    def start(self) -> float:
        """When it starts."""

    @property
    def end(self) -> float:
        """When it ends."""

    @property
    def probability(self) -> float:
        """How certain the model is of it."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a keyword was said, seconds.

    `similarity` of the spellings is 1 where they are the same; `probability` is that of the least
    certain word.
    """

    keyword: str
    text: str
    start: float
    end: float
    similarity: float
    probability: float


def fold(text: str) -> str:
    """The letters and digits of `text`, without accents or case."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in decomposed if letter.isalnum())


def spot(keywords: Iterable[str], words: Sequence[Word], threshold: float) -> list[Match]:
    """The places where keywords are said, by their start.

    A place is one that is at least `threshold` similar, 0 to 1; of places of one keyword that
    overlap, the most similar. Keywords without a letter or a digit are found nowhere.
    """
    folded = [(word, text) for word in words if (text := fold(word.word))]
    found: list[Match] = []
    for keyword in dict.fromkeys(keywords):
        if wanted := fold(keyword):
            found += _best(_candidates(keyword, wanted, folded, threshold))
    return sorted(found, key=lambda match: (match.start, match.end))


def _candidates(
    keyword: str, wanted: str, words: Sequence[tuple[Word, str]], threshold: float
) -> list[tuple[int, int, Match]]:
    """Runs of words that are similar enough: the first, the one after the last, and the match."""
    found = []
    for first in range(len(words)):
        run = ""
        for last in range(first, len(words)):
            run += words[last][1]
            if len(wanted) < threshold * len(run):
                break  # Longer runs can only be less similar.
            if len(run) < threshold * len(wanted):
                continue
            likeness = _similarity(wanted, run)
            if likeness >= threshold:
                said = [word for word, _ in words[first : last + 1]]
                found.append((first, last + 1, _match(keyword, said, likeness)))
    return found


def _match(keyword: str, said: Sequence[Word], likeness: float) -> Match:
    return Match(
        keyword,
        " ".join(word.word.strip() for word in said),
        said[0].start,
        said[-1].end,
        likeness,
        min(word.probability for word in said),
    )


def _best(candidates: list[tuple[int, int, Match]]) -> list[Match]:
    """Those that are left when each has driven out what overlaps it and is less similar."""
    taken: set[int] = set()
    found = []
    for first, end, match in sorted(candidates, key=lambda one: (-one[2].similarity, one[0])):
        if taken.isdisjoint(range(first, end)):
            taken.update(range(first, end))
            found.append(match)
    return found


@lru_cache(maxsize=65_536)
def _similarity(one: str, other: str) -> float:
    if one == other:
        return 1.0
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, other_letter in enumerate(other, 1):
            changed = before + (letter != other_letter)
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, changed)
    return 1 - row[-1] / max(len(one), len(other))
