"""Which of some lines is best in its place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.lyrics.genre import Genre
from services.lyrics.repetition import goes_round, key, overlap, words
from services.lyrics.rhyme import rhymes
from services.lyrics.song import Line
from services.runtime.sections import KINDS
from services.runtime.syllables import syllables

T = TypeVar("T")

_RHYME, _OVERLAP, _SAME_BEGINNING, _SAME_END = 1.0, 2.0, 0.5, 0.7
#: What a syllable more or less than there should be takes away.
_SYLLABLE = 0.15
#: Words that belong to the headings of a sheet of lyrics, not to a song.
_HEADINGS = frozenset(KINDS) | {"title", "lyrics", "hook", "refrain"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line is to stand: as line `at` of `section`, behind all that is `written`."""

    genre: Genre
    language: str
    written: Sequence[Line]
    section: int
    at: int

    @property
    def before(self) -> list[str]:
        """Every line that is written."""
        return [line.text for line in self.written]

    def partner(self) -> str:
        """The line that this one should rhyme with; empty for none."""
        distance = self.genre.rhyming(self.at)
        return self.written[-distance].text if distance else ""


def is_new(text: str, place: Place) -> bool:
    """Whether a line has not been there before, does not go round, and is none of a sheet's own."""
    said = words(text)
    return not (
        not said
        or said[0] in _HEADINGS
        or goes_round(text)
        or key(text) in {key(line) for line in place.before}
    )


def best(drafts: Sequence[T], place: Place, text_of: Callable[[T], str]) -> T:
    """The best of some drafts, of which there is one at least; of equals the first."""
    return max(drafts, key=lambda draft: score(text_of(draft), place))


def score(text: str, place: Place) -> float:
    """How well a line does in its place; only the order means something."""
    partner = place.partner()
    wanted = syllables(partner, place.language) if partner else place.genre.syllables
    value = _RHYME if partner and rhymes(text, partner) else 0.0
    value -= _SYLLABLE * abs(syllables(text, place.language) - wanted)
    value -= _OVERLAP * overlap(text, place.before)
    if any(words(text)[-1:] == words(line)[-1:] for line in place.before[-4:]):
        value -= _SAME_END
    if any(words(text)[:1] == words(line)[:1] for line in place.before[-3:]):
        value -= _SAME_BEGINNING
    return value
