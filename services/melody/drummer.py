"""Writes drums: a groove of two bars that goes on, and a fill where a section ends."""

import numpy as np

from services.melody.composition import BEATS, Note
from services.melody.genre import GenreProfile
from services.melody.text import Text
from services.melody.tokens import (
    DRUMS,
    PHRASE,
    STEPS,
    DrumBar,
    Vocabulary,
    decode_drums,
    drum_header,
)

_ORDER = list(DRUMS)
_GROOVE = 2
#: What keeps time, how often in a bar, and what answers the kick; a groove without is written
#: again, so many times.
_TIME, _OFTEN, _ANSWER, _TRIES = {"hat", "ride", "open"}, 4, {"snare", "stick", "low", "high"}, 5
#: Hits of one moment, and tokens of one bar.
_HANDS, _MOST = 4, 48
_LOUD = {"kick": 104, "snare": 100, "stick": 92, "hat": 74, "open": 80, "ride": 78, "crash": 92}
_VELOCITY = 88


class Drummer:
    """Writes the drums of one piece. `text` is the drummer's own."""

    def __init__(
        self, text: Text, vocabulary: Vocabulary, profile: GenreProfile, tempo: float
    ) -> None:
        self._text, self._vocabulary = text, vocabulary
        self._profile, self._tempo = profile, tempo
        self._grooves: dict[bool, list[DrumBar]] = {}

    def section(self, bars: int, *, loud: bool) -> list[DrumBar]:
        """So many bars; those of loud sections have a groove of their own."""
        if loud not in self._grooves:
            self._grooves[loud] = self._groove()
        groove = self._grooves[loud]
        written = [DrumBar(at % PHRASE, groove[at % _GROOVE].hits) for at in range(bars)]
        if loud and not any(name == "crash" for _, name in written[0].hits):
            written[0] = DrumBar(0, ((0, "crash"), *written[0].hits))
        if bars >= PHRASE:
            written[-1] = self._fill(written[-1])
        return written

    def _groove(self) -> list[DrumBar]:
        for _ in range(_TRIES):
            self._text.begin(self._header(fill=False), fresh=True)
            groove = [self._bar(place) for place in range(_GROOVE)]
            if all(map(_keeps_time, groove)):
                break
        return groove

    def _fill(self, last: DrumBar) -> DrumBar:
        """The last bar, its second half a fill."""
        self._text.begin(self._header(fill=True))
        half = STEPS // 2
        hits = [hit for hit in last.hits if hit[0] < half]
        hits += [hit for hit in self._bar(PHRASE - 1).hits if hit[0] >= half]
        return DrumBar(last.place, tuple(hits))

    def _header(self, *, fill: bool) -> list[str]:
        return drum_header(self._profile.drums, self._tempo, fill=fill)

    def _bar(self, place: int) -> DrumBar:
        self._text.bar()
        tokens = [f"Bar_{place}"]
        self._text.write(tokens[0])
        at, here, hands = 0, -1, 0
        while len(tokens) < _MOST:
            names: list[str] = []
            if hands < _HANDS:
                names += [f"Drum_{name}" for name in _ORDER[here + 1 :]]
            if hands or at == 0:
                names += [f"Position_{later}" for later in range(at + 1, STEPS)]
                names.append(f"Bar_{(place + 1) % PHRASE}")
            token = self._text.draw(np.array(self._vocabulary.numbers(names)))
            kind, _, value = token.partition("_")
            if kind == "Bar":
                break
            tokens.append(token)
            self._text.write(token)
            if kind == "Position":
                at, here, hands = int(value), -1, 0
            else:
                here, hands = _ORDER.index(value), hands + 1
        return decode_drums(tokens)


def _keeps_time(bar: DrumBar) -> bool:
    names = [name for _, name in bar.hits]
    often = sum(name in _TIME for name in names) >= _OFTEN
    return often and "kick" in names and not _ANSWER.isdisjoint(names)


def hits(bars: list[DrumBar], accent: int) -> tuple[Note, ...]:
    """The drums of a passage as notes, softer off the beat."""
    notes = [
        Note(
            DRUMS[name],
            number * BEATS + at * BEATS / STEPS,
            BEATS / STEPS,
            _LOUD.get(name, _VELOCITY) + accent - (0 if at % 4 == 0 else 8 if at % 2 == 0 else 16),
        )
        for number, bar in enumerate(bars)
        for at, name in bar.hits
    ]
    return tuple(sorted(notes, key=lambda note: (note.start, note.pitch)))
