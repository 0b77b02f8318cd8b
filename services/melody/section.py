"""Writes a section: a tune of its bars, some of which return."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.melody.bars import BarWriter, Chords
from services.melody.layout import Layout
from services.melody.tokens import MANY, PHRASE, STEPS, Bar, decode
from services.melody.voice import Voice

#: The sixteenth of a bar by which a lead that was silent for the one before begins.
_DUE = 10


@dataclass(frozen=True, slots=True)
class Outline:
    """What a section shall be.

    Chords come from `progression`, if there is one, and return after `loop` bars. `played` is for
    a lead that nobody sings; `cadence` ends on the tonic.
    """

    bars: int
    loop: int
    syllables: tuple[int, ...] = ()
    layout: Layout = field(default_factory=lambda: Layout((), 0))
    progression: tuple[Chords, ...] = ()
    played: bool = False
    cadence: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a bar lies in its line; bars without words are in none, of 0 syllables.

    Lines of as many syllables and bars are alike.
    """

    syllables: int = 0
    bars: int = 1
    offset: int = 0


def written(writer: BarWriter, outline: Outline, voice: Voice) -> list[Bar]:
    """Writes the bars of a section, the first notes of whose voice may be given."""
    return _Section(writer, outline, voice).bars()


class _Section:
    def __init__(self, writer: BarWriter, outline: Outline, voice: Voice) -> None:
        self._writer, self._outline, self._voice = writer, outline, voice
        self._places = _places(outline)
        self._tokens: list[list[str]] = []
        self._bars: list[Bar] = []
        self._states: list[tuple[_Place, int | None]] = []

    def bars(self) -> list[Bar]:
        for number in range(self._outline.bars):
            self._begin(number)
            if self._returns(number):
                self._again(number)
            else:
                left, chords = self._left(number), self._chords(number)
                self._tokens.append(self._writer.bar(number, left, self._voice, chords))
                self._bars.append(decode(self._tokens[-1]))
        return self._bars

    def _begin(self, number: int) -> None:
        place, voice = self._places[number], self._voice
        if not place.syllables:
            voice.open(self._outline.bars * STEPS)
        elif place.offset == 0:
            voice.line(place.syllables, number * STEPS, place.bars)
        # Nobody is silent for two bars.
        silent = number > 0 and not self._bars[-1].lead
        due = number * STEPS + _DUE if silent and voice.busy <= number * STEPS + _DUE else None
        voice.bar(place.bars - place.offset, due)
        self._states.append((place, voice.remaining))

    def _returns(self, number: int) -> bool:
        """Whether a bar is like the one before which the chords began."""
        loop, voice = self._outline.loop, self._voice
        before = number - loop
        last = number == self._outline.bars - 1
        if before < 0 or number % loop >= loop // 2 or (last and self._outline.cadence):
            return False
        if self._states[before] != self._states[number] or voice.script or voice.pitches:
            return False
        lead = self._bars[before].lead
        start = number * STEPS
        return not lead or (
            start + lead[0][0] >= voice.busy and start + lead[-1][0] + lead[-1][2] <= voice.end
        )

    def _again(self, number: int) -> None:
        before = number - self._outline.loop
        tokens = [f"Bar_{number % PHRASE}", *self._tokens[before][1:]]
        self._writer.again(tokens)
        self._tokens.append(tokens)
        self._bars.append(decode(tokens))
        for at, pitch, length in self._bars[-1].lead:
            self._voice.begun(number * STEPS + at, pitch, length)

    def _left(self, number: int) -> Sequence[str]:
        if self._voice.remaining is not None:
            return [f"Left_{min(self._voice.remaining, MANY)}"]
        if self._outline.played or self._outline.syllables:
            return ["Played"]
        before = self._bars[-1] if self._bars else None
        left = (before.left or 0) - len(before.lead) if before and before.left != MANY else 0
        # A line that the network has begun goes on.
        return [f"Left_{left}"] if left > 0 else [f"Left_{count}" for count in range(MANY + 1)]

    def _chords(self, number: int) -> Chords | None:
        outline = self._outline
        if outline.cadence and number == outline.bars - 1:
            return self._writer.final()
        if outline.progression:
            return outline.progression[number % len(outline.progression)]
        return self._bars[number - outline.loop].chords if number >= outline.loop else None


def _places(outline: Outline) -> list[_Place]:
    places = [
        _Place(syllables, bars, offset)
        for syllables, bars in zip(outline.syllables, outline.layout.lines, strict=True)
        for offset in range(bars)
    ]
    return places + [_Place()] * (outline.bars - len(places))
