"""Writes bars token by token, by rules that they cannot break.

Positions ascend, what is begun ends in time, a note belongs to the scale or to its chord, and the
lead has the notes that its line needs.
"""

from collections.abc import Sequence

import numpy as np

from services.melody.composition import QUALITIES, Mode
from services.melody.text import Numbers, Text
from services.melody.tokens import BASS, PHRASE, STEPS, Vocabulary
from services.melody.voice import Voice

#: Where the music is written: C major or A minor, the latter with its leading note.
SCALES = {"major": frozenset({0, 2, 4, 5, 7, 9, 11}), "minor": frozenset({0, 2, 4, 5, 7, 8, 9, 11})}
TONICS = {"major": (0, "maj"), "minor": (9, "min")}
#: The widest leap of the lead.
_LEAP = 12
Chords = Sequence[tuple[int, int, str]]


class BarWriter:
    """Writes bars of one piece. `singable` are the pitches that the lead may have."""

    def __init__(
        self,
        text: Text,
        vocabulary: Vocabulary,
        mode: Mode,
        *,
        chromatic: bool,
        singable: range,
    ) -> None:
        self._text, self._vocabulary = text, vocabulary
        self._scale, self._singable = SCALES[mode], singable
        self._tonic = TONICS[mode]
        self._chords = np.array(
            [
                vocabulary.number(f"Chord_{root}_{quality}")
                for root in range(12)
                for quality, tones in QUALITIES.items()
                if chromatic or {(root + tone) % 12 for tone in tones} <= self._scale
            ]
        )

    def again(self, tokens: Sequence[str]) -> None:
        """Writes a bar that is given."""
        self._text.bar()
        self._text.write(*tokens)

    def final(self) -> Chords:
        """The chord of the last bar."""
        return ((0, *self._tonic),)

    def bar(
        self, number: int, left: Sequence[str], voice: Voice, chords: Chords | None
    ) -> list[str]:
        """The tokens of the next bar, number `number` of its passage.

        `left` has what its second token may be; `chords` are those that are given, if any.
        """
        self._text.bar()
        return _Writing(self, number, voice, chords).written(left)

    def _tones(self, chord: str) -> frozenset[int]:
        _, root, quality = chord.split("_")
        return frozenset((int(root) + tone) % 12 for tone in QUALITIES[quality])


class _Writing:
    """One bar while it is written."""

    def __init__(self, writer: BarWriter, number: int, voice: Voice, chords: Chords | None) -> None:
        self._writer, self._text, self._voice = writer, writer._text, voice
        self._vocabulary = writer._vocabulary
        self._number, self._start = number, number * STEPS
        self._given = None if chords is None else list(chords)
        self._tokens: list[str] = []
        self._at, self._stage = 0, 0
        self._chord = ""

    def written(self, left: Sequence[str]) -> list[str]:
        self._put(f"Bar_{self._number % PHRASE}")
        self._put(self._text.draw(np.array(self._vocabulary.numbers(left))))
        self._put_chord()
        while True:
            options = self._options()
            if not len(options):
                break
            token = self._text.draw(options)
            kind, _, value = token.partition("_")
            if kind == "Bar":
                break
            self._put(token)
            match kind:
                case "Position":
                    self._at, self._stage = int(value), 0
                    if self._given and self._given[0][0] == self._at:
                        self._put_chord()
                case "Chord":
                    self._chord, self._stage = token, 1
                case "Bass":
                    self._stage = 2
                case "Pitch":
                    self._stage = 3
                    self._put_length(int(value))
        return self._tokens

    def _put(self, token: str) -> None:
        self._tokens.append(token)
        self._text.write(token)

    def _put_chord(self) -> None:
        if self._given is None:
            token = self._text.draw(self._writer._chords)
        else:
            _, root, quality = self._given.pop(0)
            token = f"Chord_{root}_{quality}"
        self._put(token)
        self._chord, self._stage = token, 1

    def _put_length(self, pitch: int) -> None:
        now = self._start + self._at
        lengths = self._voice.lengths(now)
        token = self._text.draw(
            np.array(self._vocabulary.numbers(map("Duration_{}".format, lengths)))
        )
        self._put(token)
        self._voice.begun(now, pitch, int(token.partition("_")[2]))

    def _options(self) -> Numbers:
        """What may follow."""
        number = self._vocabulary.number
        found: list[int] = []
        now = self._start + self._at
        empty = self._stage == 0
        if empty and self._given is None and self._at % 4 == 0:
            found += [int(each) for each in self._writer._chords]
        if self._stage < 2 and self._at % 2 == 0:
            found += self._pitches("Bass", BASS)
        if self._stage < 3 and self._voice.may_begin(now):
            found += self._pitches("Pitch", self._lead())
            if self._voice.latest <= now:
                return np.array(found)
        if not empty:
            found += [
                number(f"Position_{at}") for at in range(self._at + 1, STEPS) if self._open(at)
            ]
            if not self._given and self._voice.latest >= self._start + STEPS:
                found.append(number(f"Bar_{(self._number + 1) % PHRASE}"))
        return np.array(found, np.int64)

    def _open(self, at: int) -> bool:
        """Whether something may begin at a position, and nothing must before it."""
        if self._start + at > self._voice.latest or (self._given and at > self._given[0][0]):
            return False
        return at % 2 == 0 or self._voice.may_begin(self._start + at)

    def _lead(self) -> list[int]:
        voice, singable = self._voice, self._writer._singable
        if voice.script is not None:
            return [voice.script[self._start + self._at][0]]
        if voice.pitches:
            return voice.pitches[:1]
        if voice.last is None:
            return list(singable)
        near = [pitch for pitch in singable if abs(pitch - voice.last) <= _LEAP]
        return near or list(singable)

    def _pitches(self, kind: str, among: Sequence[int]) -> list[int]:
        tones = self._writer._tones(self._chord) if self._chord else frozenset()
        # What is given is kept, whatever the scale says.
        fits = [p for p in among if p % 12 in self._writer._scale or p % 12 in tones]
        return self._vocabulary.numbers(f"{kind}_{pitch}" for pitch in fits or among)
