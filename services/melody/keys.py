"""Keys by name, and their scales."""

import re

from services.melody.composition import Key
from services.runtime.errors import InvalidRequest

_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
#: How a tonic is written where it has few accidentals.
_WRITTEN = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
#: Degrees over the tonic, in semitones; of the minor also the leading note.
_DEGREES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10, 11)}


def key_of(name: str) -> Key:
    """`F# minor` as a key. Raises `InvalidRequest`."""
    found = re.fullmatch(r"([A-Ga-g])([#b]?) (major|minor)", name.strip())
    if found is None:
        raise InvalidRequest(
            "key must be a tonic and a mode, such as C major, F# minor or Bb major.", param="key"
        )
    letter, accidental, mode = found.groups()
    shift = {"#": 1, "b": -1, "": 0}[accidental]
    return Key((_NATURAL[letter.upper()] + shift) % 12, "major" if mode == "major" else "minor")


def name_of(key: Key) -> str:
    """The key as `key_of` reads it."""
    return f"{_WRITTEN[key.mode][key.tonic]} {key.mode}"


def scale_of(key: Key) -> frozenset[int]:
    """The pitch classes of a key; of a minor one also the leading note."""
    return frozenset((key.tonic + degree) % 12 for degree in _DEGREES[key.mode])


def shift_of(key: Key) -> int:
    """Semitones, -5 to 6, from C major or A minor to a key."""
    shift = (key.tonic - (0 if key.mode == "major" else 9)) % 12
    return shift if shift <= 6 else shift - 12
