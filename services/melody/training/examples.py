"""Sequences to train on: a header and the bars that follow it, cut out of songs and grooves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.melody.tokens import Vocabulary, drum_header, encode, encode_drums, song_header
from services.melody.training.controls import WINDOW, Scale
from services.melody.training.groove import Groove, grooves
from services.melody.training.pop909 import Song, songs

Tokens = NDArray[np.int64]
#: Tokens of a sequence.
LENGTH = 384
#: Every tenth song is held out.
_HELD_OUT = 10
#: Share of sequences that are drums.
_DRUMS = 0.25


@dataclass(frozen=True)
class Corpus:
    """Songs and grooves, in two parts that share no song and no performance."""

    songs: list[Song]
    held_out_songs: list[Song]
    grooves: list[Groove]
    held_out_grooves: list[Groove]

    @classmethod
    def read(cls, folder: Path) -> "Corpus":
        """Reads `pop909` and `groove` below `folder`."""
        found = list(songs(folder / "pop909"))
        held_out = [song for song in found if int(song.name) % _HELD_OUT == 0]
        drums = list(grooves(folder / "groove"))
        return cls(
            [song for song in found if int(song.name) % _HELD_OUT],
            held_out,
            [groove for groove in drums if not groove.held_out],
            [groove for groove in drums if groove.held_out],
        )


class Examples:
    """Cuts sequences out of songs and grooves, always at a bar."""

    def __init__(
        self, found: Sequence[Song], drums: Sequence[Groove], scale: Scale, vocabulary: Vocabulary
    ) -> None:
        self._songs, self._grooves = found, drums
        self._scale, self._vocabulary = scale, vocabulary
        self._bars = [[vocabulary.numbers(encode(bar)) for bar in song.bars] for song in found]
        self._hits = [
            [vocabulary.numbers(encode_drums(bar)) for bar in groove.bars] for groove in drums
        ]
        self._odds = np.array([len(song.bars) for song in found], float)
        # A long performance has more to teach, but not in proportion.
        self._drum_odds = np.sqrt([len(groove.bars) for groove in drums])

    def song(self, number: int, first: int) -> list[int]:
        """The sequence of song `number` from bar `first` on."""
        song = self._songs[number]
        controls = self._scale.controls(song.bars[first : first + WINDOW], song.mode, song.tempo)
        header = self._vocabulary.numbers(song_header(song.mode, controls))
        return _cut(header, self._bars[number][first:])

    def groove(self, number: int, first: int) -> list[int]:
        """The sequence of groove `number` from bar `first` on."""
        groove = self._grooves[number]
        header = drum_header(groove.style, groove.tempo, fill=groove.fill)
        return _cut(self._vocabulary.numbers(header), self._hits[number][first:])

    def drawn(self, count: int, rng: np.random.Generator) -> Tokens:
        """So many sequences by chance, shape `(count, LENGTH + 1)`, padded with 0."""
        rows = np.zeros((count, LENGTH + 1), np.int64)
        for row in rows:
            if rng.random() < _DRUMS:
                number = rng.choice(len(self._grooves), p=self._drum_odds / self._drum_odds.sum())
                tokens = self.groove(number, int(rng.integers(len(self._hits[number]))))
            else:
                number = rng.choice(len(self._songs), p=self._odds / self._odds.sum())
                tokens = self.song(number, int(rng.integers(len(self._bars[number]))))
            row[: len(tokens)] = tokens
        return rows

    def all(self) -> list[list[int]]:
        """Every song and groove once, in sequences that follow one another."""
        sequences = []
        for bars, cut in ((self._bars, self.song), (self._hits, self.groove)):
            for number, encoded in enumerate(bars):
                first = 0
                while first < len(encoded):
                    tokens = cut(number, first)
                    sequences.append(tokens)
                    header = 4 if cut == self.groove else 10
                    first += _whole(encoded[first:], LENGTH + 1 - header)
        return sequences


def _cut(header: list[int], bars: list[list[int]]) -> list[int]:
    tokens = list(header)
    for bar in bars:
        tokens += bar
        if len(tokens) > LENGTH:
            break
    return tokens[: LENGTH + 1]


def _whole(bars: list[list[int]], room: int) -> int:
    """How many bars fit whole, at least one."""
    ends = np.cumsum([len(bar) for bar in bars])
    return max(1, int(np.searchsorted(ends, room, side="right")))
