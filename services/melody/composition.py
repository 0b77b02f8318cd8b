"""A piece of music as notes, before it sounds: what the composer writes and the band plays.

Times are in beats, quarter notes, from the start of the passage. Every bar has four.
"""

from dataclasses import dataclass
from typing import Literal

from services.melody.engine import SectionKind

BEATS = 4

Part = Literal["lead", "chords", "bass", "drums"]
PARTS: tuple[Part, ...] = ("lead", "chords", "bass", "drums")

Mode = Literal["major", "minor"]
#: Triads and sevenths, by their intervals over the root in semitones.
QUALITIES: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus4": (0, 5, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
}


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic, pitch class 0 (C) to 11, and a mode."""

    tonic: int
    mode: Mode


@dataclass(frozen=True, slots=True)
class Note:
    """A note: MIDI number (of General MIDI's drum map, for drums), velocity 1 to 127."""

    pitch: int
    start: float
    duration: float
    velocity: int = 90


@dataclass(frozen=True, slots=True)
class Chord:
    """A harmony from a moment on: root as pitch class, one of `QUALITIES`."""

    root: int
    quality: str
    start: float
    duration: float


@dataclass(frozen=True, slots=True)
class Passage:
    """One section, written: `bars` of four beats.

    `lines` are spans of `parts["lead"]`, one for each line of the section, as `(first, end)`
    indices: those notes are its syllables, in order.
    """

    kind: SectionKind
    bars: int
    parts: dict[Part, tuple[Note, ...]]
    chords: tuple[Chord, ...]
    lines: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided before the first note: the whole form with the bars of each section.

    `tempo` is in quarter notes per minute. `seconds` is the length of the audio: bars end a little
    before it, and the last note may ring.
    """

    genre: str
    key: Key
    tempo: float
    seconds: float
    form: tuple[tuple[SectionKind, int], ...]
