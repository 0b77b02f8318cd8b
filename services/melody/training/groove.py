"""The Groove MIDI data set: human drumming as bars of hits."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import symusic

from services.melody.tokens import PHRASE, STEPS, DrumBar

#: Notes of the drum kit that was recorded, as kinds of drum.
_KINDS = {
    36: "kick", 38: "snare", 40: "snare", 37: "stick", 42: "hat", 22: "hat", 44: "hat",
    46: "open", 26: "open", 51: "ride", 53: "ride", 59: "ride", 49: "crash", 55: "crash",
    57: "crash", 52: "crash", 43: "low", 58: "low", 45: "low", 47: "low", 48: "high", 50: "high",
}  # fmt: skip
#: Softer than this are ghost notes, which a kit of samples plays too loud.
_GHOST = 22


@dataclass(frozen=True, slots=True)
class Groove:
    """One performance."""

    name: str
    style: str
    tempo: float
    fill: bool
    held_out: bool
    bars: tuple[DrumBar, ...]


def grooves(folder: Path) -> Iterator[Groove]:
    """All performances in four-four time of at least a bar."""
    with (folder / "info.csv").open(newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            if row["time_signature"] != "4-4":
                continue
            bars = tuple(_bars(folder / row["midi_filename"]))
            if bars:
                yield Groove(
                    row["id"],
                    row["style"].partition("/")[0],
                    float(row["bpm"]),
                    row["beat_type"] == "fill",
                    row["split"] != "train",
                    bars,
                )


def _bars(path: Path) -> Iterator[DrumBar]:
    score: Any = symusic.Score(str(path))
    sixteenth = score.tpq / 4
    hits: dict[int, set[tuple[int, str]]] = {}
    for note in score.tracks[0].notes:
        if note.pitch in _KINDS and note.velocity >= _GHOST:
            bar, at = divmod(round(note.start / sixteenth), STEPS)
            hits.setdefault(bar, set()).add((at, _KINDS[note.pitch]))
    # The last bar is rarely played to its end.
    for bar in range(max(hits, default=0) + (len(hits) == 1)):
        yield DrumBar(bar % PHRASE, tuple(sorted(hits.get(bar, ()))))
