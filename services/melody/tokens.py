"""Music as tokens: what the composer's network reads and writes, bar by bar.

Everything is in C major or A minor, on a grid of sixteenths. The names are those of REMI, less
what a band needs no network for: velocities, and the position of what sounds on the first beat.

    Bar_0 Left_9 Chord_0_maj Bass_36 Pitch_67 Duration_2 Position_2 Pitch_69 Duration_2 ...

A bar says its place in a phrase of four, then how many notes its line still has (or that nobody
sings), then its chord, then by position what begins: a chord, the bass, the lead. A bass note
lasts until the next.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.melody.composition import QUALITIES

STEPS = 16
#: Bars of a phrase.
PHRASE = 4
LEAD = range(48, 85)
BASS = range(28, 52)
#: Lengths of notes of the lead, in sixteenths.
DURATIONS = (1, 2, 3, 4, 6, 8, 12, 16)
#: The most notes of a line that `Left` counts.
MANY = 12
#: Kinds of drum, by their note of General MIDI's map.
DRUMS = {
    "kick": 36, "snare": 38, "stick": 37, "hat": 42, "open": 46, "ride": 51, "crash": 49,
    "low": 45, "high": 50,
}  # fmt: skip
STYLES = (
    "afrobeat", "afrocuban", "blues", "country", "dance", "funk", "gospel", "highlife", "hiphop",
    "jazz", "latin", "middleeastern", "neworleans", "pop", "punk", "reggae", "rock", "soul",
)  # fmt: skip
#: Upper edges of the tempo's buckets, quarter notes per minute.
TEMPO_EDGES = (66, 76, 86, 96, 108, 124, 144)
#: How many values each control has, in the order in which they precede the bars.
CONTROLS = {
    "Tempo": len(TEMPO_EDGES) + 1, "Valence": 3, "Arousal": 3, "Density": 5, "Syncopation": 3,
    "Register": 3, "Colour": 3, "Walk": 3,
}  # fmt: skip


def tempo_bucket(tempo: float) -> int:
    """The bucket of a tempo in quarter notes per minute."""
    return sum(tempo >= edge for edge in TEMPO_EDGES)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of lead, chords and bass.

    `left` counts the notes that its line has from here on; None where nobody sings. Positions and
    lengths are in sixteenths: chords are `(position, root, quality)`, the first at 0; bass is
    `(position, pitch)`; lead is `(position, pitch, length)`.
    """

    place: int
    left: int | None
    chords: tuple[tuple[int, int, str], ...]
    bass: tuple[tuple[int, int], ...]
    lead: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class DrumBar:
    """A bar of drums: hits are `(position, name)`, names those of `DRUMS`."""

    place: int
    hits: tuple[tuple[int, str], ...]


def song_header(mode: str, controls: dict[str, int]) -> list[str]:
    """What comes before bars; `controls` has a bucket for each of `CONTROLS`."""
    return ["Song", f"Mode_{mode}", *(f"{name}_{controls[name]}" for name in CONTROLS)]


def drum_header(style: str, tempo: float, *, fill: bool) -> list[str]:
    """What comes before bars of drums."""
    return ["Drums", f"Style_{style}", f"Tempo_{tempo_bucket(tempo)}", "Fill" if fill else "Beat"]


def encode(bar: Bar) -> list[str]:
    """The tokens of a bar."""
    events: list[tuple[int, int, list[str]]] = [
        *((at, 0, [f"Chord_{root}_{quality}"]) for at, root, quality in bar.chords),
        *((at, 1, [f"Bass_{pitch}"]) for at, pitch in bar.bass),
        *((at, 2, [f"Pitch_{pitch}", f"Duration_{length}"]) for at, pitch, length in bar.lead),
    ]
    left = "Played" if bar.left is None else f"Left_{min(bar.left, MANY)}"
    return [f"Bar_{bar.place}", left, *_placed(events)]


def encode_drums(bar: DrumBar) -> list[str]:
    """The tokens of a bar of drums."""
    order = list(DRUMS)
    events = [(at, order.index(name), [f"Drum_{name}"]) for at, name in bar.hits]
    return [f"Bar_{bar.place}", *_placed(events)]


def _placed(events: Iterable[tuple[int, int, list[str]]]) -> list[str]:
    tokens: list[str] = []
    now = 0
    for at, _, names in sorted(events):
        if at != now:
            tokens.append(f"Position_{at}")
            now = at
        tokens += names
    return tokens


def decode(tokens: Sequence[str]) -> Bar:
    """The bar that these tokens are. Its `left` is capped at `MANY`."""
    at, chords, bass, lead = 0, [], [], []
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        kind, _, value = token.partition("_")
        match kind:
            case "Position":
                at = int(value)
            case "Chord":
                root, _, quality = value.partition("_")
                chords.append((at, int(root), quality))
            case "Bass":
                bass.append((at, int(value)))
            case "Pitch":
                lead.append((at, int(value), int(following.partition("_")[2])))
    place = int(tokens[0].partition("_")[2])
    left = None if tokens[1] == "Played" else int(tokens[1].partition("_")[2])
    return Bar(place, left, tuple(chords), tuple(bass), tuple(lead))


def decode_drums(tokens: Sequence[str]) -> DrumBar:
    """The bar of drums that these tokens are."""
    at, hits = 0, []
    for token in tokens[1:]:
        kind, _, value = token.partition("_")
        if kind == "Position":
            at = int(value)
        else:
            hits.append((at, value))
    return DrumBar(int(tokens[0].partition("_")[2]), tuple(hits))


class Vocabulary:
    """Names of tokens and their numbers."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._numbers = {name: number for number, name in enumerate(names)}

    @classmethod
    def full(cls) -> "Vocabulary":
        """Every token there is."""
        return cls(
            ["Pad", "Song", "Drums", "Beat", "Fill", "Mode_major", "Mode_minor"]
            + [f"{name}_{at}" for name, values in CONTROLS.items() for at in range(values)]
            + [f"Style_{style}" for style in STYLES]
            + [f"Bar_{place}" for place in range(PHRASE)]
            + [f"Left_{count}" for count in range(MANY + 1)]
            + ["Played"]
            + [f"Position_{at}" for at in range(1, STEPS)]
            + [f"Chord_{root}_{quality}" for root in range(12) for quality in QUALITIES]
            + [f"Bass_{pitch}" for pitch in BASS]
            + [f"Pitch_{pitch}" for pitch in LEAD]
            + [f"Duration_{length}" for length in DURATIONS]
            + [f"Drum_{name}" for name in DRUMS]
        )

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Reads what `save` wrote. Raises `ValueError` for tokens that this code does not know."""
        names = json.loads(path.read_text("utf-8"))
        if list(cls.full().names) != names:
            raise ValueError(f"{path.name} has other tokens than this version composes with")
        return cls(names)

    def save(self, path: Path) -> None:
        """Writes the names as JSON, in order."""
        path.write_text(json.dumps(self.names, indent=0) + "\n", "utf-8")

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: str) -> int:
        """The number of a token."""
        return self._numbers[name]

    def numbers(self, names: Iterable[str]) -> list[int]:
        """The numbers of tokens."""
        return [self._numbers[name] for name in names]

    @cached_property
    def by_kind(self) -> dict[str, NDArray[np.int64]]:
        """The numbers of all tokens whose name begins alike, such as `Position`, in order."""
        kinds: dict[str, list[int]] = {}
        for number, name in enumerate(self.names):
            kinds.setdefault(name.partition("_")[0], []).append(number)
        return {kind: np.array(numbers) for kind, numbers in kinds.items()}
