"""Figures of a song, and of many: structure, repetition, variety, rhyme, perplexity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.lyrics.genre import Genre
from services.lyrics.repetition import MOST_EQUAL, key, longest_run, words
from services.lyrics.rhyme import rhymes
from services.lyrics.song import Line, Wish, returning


@dataclass(frozen=True, slots=True)
class Song:
    """A song as it was written."""

    genre: str
    seed: int
    wish: Wish
    lines: tuple[Line, ...]

    @property
    def written(self) -> list[Line]:
        """Its lines, less the sections that return."""
        again = returning(self.wish.sections)
        return [line for line in self.lines if line.section not in again]


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over the songs of a genre; rates are 0 to 1.

    `repetition` is the share of lines that were in the song before, returning sections aside;
    `first_line` the share of given first lines that were kept, nan where none was given; `rhyme`
    the share of pairs that should and do, by their spelling; `loop` the most equal lines in a row
    of any song. `perplexity` is the model's own, of the tokens that it chose.
    """

    genre: str
    songs: int
    valid: float
    first_line: float
    loop: int
    repetition: float
    distinct_1: float
    distinct_2: float
    rhyme: float
    syllables: float
    perplexity: float


def figures(genre: str, songs: Sequence[Song], rules: Genre) -> Figures:
    """The figures of a genre, of one song at least."""
    given = [song for song in songs if song.wish.first_line]
    kept = sum(song.lines[0].text == song.wish.first_line for song in given)
    lines = [line for song in songs for line in song.written]
    return Figures(
        genre=genre,
        songs=len(songs),
        valid=_mean([is_valid(song) for song in songs]),
        first_line=kept / len(given) if given else math.nan,
        loop=max(longest_run([line.text for line in song.lines]) for song in songs),
        repetition=_mean([repetition(song) for song in songs]),
        distinct_1=_mean([distinct(song, 1) for song in songs]),
        distinct_2=_mean([distinct(song, 2) for song in songs]),
        rhyme=_mean([rhymes(*pair) for song in songs for pair in pairs(song, rules)]),
        syllables=_mean([line.syllables for line in lines]),
        perplexity=perplexity(songs),
    )


def is_valid(song: Song) -> bool:
    """Whether a song has the sections and lines that were asked for, none empty, and no loop."""
    wish = song.wish
    asked = [(at, kind) for at, kind in enumerate(wish.sections) for _ in range(wish.lines)]
    return (
        [(line.section, line.kind) for line in song.lines] == asked
        and all(words(line.text) for line in song.lines)
        and longest_run([line.text for line in song.lines]) <= MOST_EQUAL
    )


def repetition(song: Song) -> float:
    """The share of lines that were in the song before, returning sections aside."""
    said = [key(line.text) for line in song.written]
    return 1 - len(set(said)) / len(said)


def distinct(song: Song, n: int) -> float:
    """Different runs of `n` words, as a share of all, returning sections aside."""
    runs: list[tuple[str, ...]] = []
    for line in song.written:
        said = words(line.text)
        runs += [tuple(said[at : at + n]) for at in range(len(said) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


def pairs(song: Song, rules: Genre) -> list[tuple[str, str]]:
    """The lines that should rhyme with one another."""
    found: list[tuple[str, str]] = []
    for section in sorted({line.section for line in song.written}):
        lines = [line.text for line in song.written if line.section == section]
        found += [
            (lines[at - distance], line)
            for at, line in enumerate(lines)
            if (distance := rules.rhyming(at))
        ]
    return found


def perplexity(songs: Sequence[Song]) -> float:
    """Of all tokens of some songs; nan where none was told."""
    told = [value for song in songs for line in song.written for value in line.logprobs]
    return math.exp(-_mean(told)) if told else math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
