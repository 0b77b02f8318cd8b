"""What a musician is: a model that makes music, and the values that go in and come out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from services.runtime.context import NORMAL
from services.runtime.host import LoadedModel
from services.runtime.worker import Cancellation

#: Sound, float32, shape `(samples, channels)`, full scale at 1.
Samples = NDArray[np.float32]

Task = Literal["music", "sound"]
SectionKind = Literal["intro", "verse", "pre-chorus", "chorus", "bridge", "outro", "solo"]
#: What a piece is besides its sound; only musicians that write notes have it.
ArtifactKind = Literal["midi", "musicxml", "stems", "score"]

MIN_SECONDS, MAX_SECONDS = 1.0, 180.0


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form; `syllables` has an entry for each line, if it is sung."""

    kind: SectionKind
    syllables: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class MelodyRequest:
    """A piece to make. Empty and None are the genre's choice or nobody's.

    `seconds` is its length; None is as long as the sections need. `tempo` is in quarter notes per
    minute, `key` such as `C major`. `tune` is a recording whose melody to follow: mono, at
    `TUNE_RATE`. `silent` asks for no sound. `priority` and `timeout` (seconds, None for
    no limit) are for engines that queue on another machine.
    """

    seed: int
    task: Task = "music"
    genre: str = ""
    mood: str = ""
    prompt: str = ""
    seconds: float | None = None
    tempo: float | None = None
    key: str = ""
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    guidance: float | None = None
    sections: tuple[Section, ...] = ()
    tune: NDArray[np.float32] | None = None
    artifacts: frozenset[ArtifactKind] = field(default_factory=frozenset)
    silent: bool = False
    priority: int = NORMAL
    timeout: float | None = None


#: Samples per second of a tune to follow.
TUNE_RATE = 32000


@dataclass(frozen=True, slots=True)
class Started:
    """What is known before the first note. The sound will have `rate` samples per second."""

    seconds: float
    rate: int
    channels: int
    genre: str = ""
    tempo: float = 0.0
    key: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """Share done, 0 to 1."""

    done: float


@dataclass(frozen=True, slots=True)
class SungNote:
    """A note of a line: MIDI number, and seconds from the start of the audio."""

    pitch: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class SungLine:
    """A line of a section, counted from 0, with a note for each syllable."""

    section: int
    notes: tuple[SungNote, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Where the lines of all sections are sung, in order."""

    lines: tuple[SungLine, ...]


@dataclass(frozen=True, slots=True)
class Notation:
    """The piece as a document: `melody.mid` or `melody.musicxml`."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Stem:
    """The next samples of one part, as loud as it is in the mix. Parts come one after the other."""

    part: str
    samples: Samples


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """The next samples."""

    samples: Samples


Piece = Started | Progress | Sound | Notation | Stem | Score


@dataclass(frozen=True, slots=True)
class Genre:
    """A genre that a musician knows: its name, and its tempo in quarter notes per minute."""

    name: str
    slowest: float
    fastest: float


class Musician(LoadedModel, Protocol):
    """A model in memory that makes music."""

    @property
    def genres(self) -> tuple[Genre, ...]:
        """Those it knows, by name; none where genres are words of the prompt."""

    def compose(self, request: MelodyRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """Yields `Started`, then the rest as it is made.

        The sound comes in order and is as long as `Started.seconds` says, to the sample. Ends
        early once `cancelled`. Raises `InvalidRequest` naming the field at fault: at the latest
        before `Started`, so that a refusal is whole.
        """
