"""What leads are like in numbers: those of the corpus and those that are written."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.melody.tokens import DURATIONS, STEPS, Bar

Floats = NDArray[np.float64]
#: Intervals further than this count as this.
WIDEST = 12


@dataclass(frozen=True)
class Habits:
    """Shares of a lead's notes: by pitch class, by the sixteenth they begin at, by length, and by
    the interval from the one before, `-WIDEST` to `WIDEST`.
    """

    pitches: Floats
    onsets: Floats
    lengths: Floats
    intervals: Floats

    def distance(self, other: "Habits") -> dict[str, float]:
        """Total variation, 0 (alike) to 1, of each."""
        return {
            name: float(np.abs(getattr(self, name) - getattr(other, name)).sum() / 2)
            for name in ("pitches", "onsets", "lengths", "intervals")
        }


def habits(leads: Sequence[Sequence[Bar]]) -> Habits:
    """Of leads in C major or A minor."""
    counts = [np.zeros(size) for size in (12, STEPS, len(DURATIONS), 2 * WIDEST + 1)]
    for bars in leads:
        before = None
        for bar in bars:
            for at, pitch, length in bar.lead:
                counts[0][pitch % 12] += 1
                counts[1][at % STEPS] += 1
                counts[2][DURATIONS.index(length)] += 1
                if before is not None:
                    counts[3][min(max(pitch - before, -WIDEST), WIDEST) + WIDEST] += 1
                before = pitch
    return Habits(*(count / max(1, count.sum()) for count in counts))


def similarity(bars: Sequence[Bar]) -> Floats:
    """How alike the bars of a lead are, 0 to 1: cosines of what sounds when, `(bars, bars)`."""
    sounding = np.zeros((len(bars), STEPS, 12))
    for number, bar in enumerate(bars):
        for at, pitch, length in bar.lead:
            sounding[number, at : at + length, pitch % 12] = 1
    flat = sounding.reshape(len(bars), -1)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = flat / np.where(lengths, lengths, 1)
    return np.asarray(unit @ unit.T)
