"""Where the lead may begin a note: one for each syllable of a line, within the line's bars."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.melody.tokens import DURATIONS, STEPS


@dataclass(slots=True)
class Voice:
    """A stretch of the lead, moments in sixteenths from the start of the passage.

    `remaining` counts the notes that are still to come before `end`; None leaves it open. `script`
    are notes that are given, `(pitch, length)` by moment; `pitches` are those of the next notes.
    """

    end: int
    remaining: int | None = None
    busy: int = 0
    last: int | None = None
    script: Mapping[int, tuple[int, int]] | None = None
    pitches: list[int] = field(default_factory=list)
    _spacing: int = 1
    _most: int = STEPS
    _here: int = 0
    _due: int | None = None

    def line(self, syllables: int, start: int, bars: int) -> None:
        """Begins a line."""
        room = bars * STEPS
        # Eighths where they have room, and a breath after them.
        self._spacing = 2 if 2 * syllables <= room - 2 else 1
        breath = 2 if (syllables + 1) * self._spacing <= room - 2 else 0
        self.remaining, self.end = syllables, start + room - breath

    def open(self, end: int) -> None:
        """Ends all lines: any number of notes until `end`."""
        self.remaining, self.end = None, end

    def bar(self, bars_left: int, due: int | None = None) -> None:
        """Begins a bar: about as many notes as the others of the line will have.

        An open voice has a note by `due`.
        """
        self._here, self._due = 0, due
        self._most = STEPS if self.remaining is None else -(-self.remaining // bars_left) + 2

    @property
    def latest(self) -> int:
        """The moment by which the next note must begin; never where none must."""
        if self.script is not None:
            return min((at for at in self.script if at >= self.busy), default=1 << 30)
        if self.remaining is None and self._due is not None and not self._here:
            return max(self._due, self.busy)
        return self.end - self.remaining * self._spacing if self.remaining else 1 << 30

    def may_begin(self, at: int) -> bool:
        """Whether a note may begin at this moment."""
        if self.script is not None:
            return at in self.script and at >= self.busy
        if self.remaining == 0 or not self.busy <= at < self.end:
            return False
        return self._here < self._most or at >= self.latest

    def lengths(self, at: int) -> list[int]:
        """How long a note from this moment on may be."""
        if self.script is not None:
            return [self.script[at][1]]
        room = self.end - at
        if self.remaining is not None:
            room -= (self.remaining - 1) * self._spacing
        return [length for length in DURATIONS if length <= max(1, room)]

    def begun(self, at: int, pitch: int, length: int) -> None:
        """A note has been written."""
        self.busy, self.last = at + length, pitch
        self._here += 1
        if self.remaining is not None:
            self.remaining -= 1
        if self.pitches:
            self.pitches.pop(0)
