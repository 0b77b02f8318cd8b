"""Finds words and phrases in a transcript with word times, near spellings among them.

Both sides are folded: letters and digits alone, without accents or case. A phrase is compared with
each run of whole words of about its length, written without spaces: so `ice cream` finds
`ice-cream` and `icecream`, and languages without spaces work too. Two spellings are as similar as
1 less their edit distance (Levenshtein, 1966) over the longer one's length.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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


def spot(keyword: str, words: Sequence[Word], threshold: float) -> list[Match]:
    """The places where a keyword is said, by their start.

    A place is one that is at least `threshold` similar, 0 to 1; of places that overlap, the most
    similar. A keyword without a letter or a digit is found nowhere.
    """
    wanted = fold(keyword)
    folded = [(word, text) for word in words if (text := fold(word.word))] if wanted else []
    texts = [text for _, text in folded]
    found = []
    for likeness, first, end in _apart(_places(wanted, texts, threshold)):
        found.append(_match(keyword, [word for word, _ in folded[first:end]], likeness))
    return sorted(found, key=lambda match: (match.start, match.end))


#: How similar a run of words is, its first word, and the one after its last.
_Place = tuple[float, int, int]


def _places(wanted: str, texts: Sequence[str], threshold: float) -> Iterator[_Place]:
    """Of the runs that start with a word, the one that is most similar, if it is enough."""
    # A gateway that nobody asks for keywords need not have it in memory.
    from rapidfuzz.distance import Levenshtein

    for first in range(len(texts)):
        run, best, end = "", 0.0, first
        for last in range(first, len(texts)):
            run += texts[last]
            if len(wanted) < max(best, threshold) * len(run):
                break  # Longer runs can only be less similar.
            if len(run) < threshold * len(wanted):
                continue
            longer = max(len(wanted), len(run))
            # One more than are allowed: a share of letters is no exact number.
            most = int((1 - threshold) * longer) + 1
            likeness = 1 - Levenshtein.distance(wanted, run, score_cutoff=most) / longer
            if likeness >= threshold and likeness > best:
                best, end = likeness, last + 1
        if end > first:
            yield best, first, end


def _match(keyword: str, said: Sequence[Word], likeness: float) -> Match:
    return Match(
        keyword,
        " ".join(word.word.strip() for word in said),
        said[0].start,
        said[-1].end,
        likeness,
        min(word.probability for word in said),
    )


def _apart(places: Iterable[_Place]) -> Iterator[_Place]:
    """Those that are left when each has driven out what overlaps it and is less similar."""
    taken: set[int] = set()
    for likeness, first, end in sorted(places, key=lambda place: (-place[0], place[1])):
        if taken.isdisjoint(range(first, end)):
            taken.update(range(first, end))
            yield likeness, first, end
