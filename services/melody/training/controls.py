"""What the bars of the corpus are like: the values of the tokens that steer the network.

Valence and arousal are pseudo-labels, since nobody has said what these songs feel like: bright
chords and a high voice for the one, speed and density for the other.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.melody.tokens import CONTROLS, Bar, tempo_bucket
from services.melody.training.pop909 import Song

#: Bars that are judged together.
WINDOW = 12
#: Shares of the corpus below each edge, where a control's values are not equally frequent.
_SHARES = {"Density": (0.12, 0.35, 0.65, 0.9)}
_BRIGHT = {"maj", "maj7", "7", "aug"}


def measures(bars: Sequence[Bar], mode: str, tempo: float) -> dict[str, float]:
    """How bars are, by control; without the tempo, which is known."""
    lead = [note for bar in bars for note in bar.lead]
    filled = sum(bool(bar.lead) for bar in bars)
    chords = [quality for bar in bars for _, _, quality in bar.chords]
    held = [at % 4 != 0 and at % 4 + length > 4 for at, _, length in lead]
    density = len(lead) / max(1, filled)
    register = float(np.mean([pitch for _, pitch, _ in lead])) if lead else 66.0
    walk = sum(len(bar.bass) for bar in bars) / max(1, len(bars))
    bright = sum(quality in _BRIGHT for quality in chords) / max(1, len(chords))
    return {
        "Valence": bright + 0.3 * (mode == "major") + (register - 66) / 24,
        "Arousal": tempo / 100 + density / 6 + walk / 12,
        "Density": density,
        "Syncopation": sum(held) / max(1, len(held)),
        "Register": register,
        "Colour": sum(quality not in ("maj", "min") for quality in chords) / max(1, len(chords)),
        "Walk": walk,
    }


class Scale:
    """The edges between the values of each control, from the corpus."""

    def __init__(self, songs: Sequence[Song]) -> None:
        seen = [
            measures(song.bars[first : first + WINDOW], song.mode, song.tempo)
            for song in songs
            for first in range(0, len(song.bars), WINDOW)
        ]
        self.edges: dict[str, NDArray[np.float64]] = {}
        for name, values in CONTROLS.items():
            if name != "Tempo":
                shares = _SHARES.get(name, [at / values for at in range(1, values)])
                self.edges[name] = np.quantile([measure[name] for measure in seen], shares)

    def controls(self, bars: Sequence[Bar], mode: str, tempo: float) -> dict[str, int]:
        """The value of each control."""
        measured = measures(bars, mode, tempo)
        return {"Tempo": tempo_bucket(tempo)} | {
            name: int(np.searchsorted(edges, measured[name], side="right"))
            for name, edges in self.edges.items()
        }
