"""Bars as notes that a band can play: in the key of the piece, with voicings and accents."""

from collections.abc import Sequence

from services.melody.composition import BEATS, QUALITIES, Chord, Note
from services.melody.genre import Comping
from services.melody.tokens import DURATIONS, STEPS, Bar

_SIXTEENTH = BEATS / STEPS
#: The middle of the chords' range, the lowest note of the bass, and the furthest up that it moves.
_MIDDLE, _LOWEST, _UP = 60, 28, 1
_LEAD, _CHORDS, _BASS = 92, 72, 88


def lead(bars: Sequence[Bar], shift: int, accent: int) -> tuple[Note, ...]:
    """The melody; a note that its line holds is not cut at the bar."""
    return tuple(
        Note(
            pitch + shift,
            number * BEATS + at * _SIXTEENTH,
            length * _SIXTEENTH,
            _LEAD + accent + (6 if at % STEPS == 0 else 0 if at % 4 == 0 else -6),
        )
        for number, bar in enumerate(bars)
        for at, pitch, length in bar.lead
    )


def bass(bars: Sequence[Bar], shift: int, accent: int) -> tuple[Note, ...]:
    """The bass: each note until the next, and no longer than a bar. It goes down where others go up
    by more than a little, lest it leaves its range.
    """
    shift -= 12 * (shift > _UP)
    moments = [
        (number * STEPS + at, pitch + shift)
        for number, bar in enumerate(bars)
        for at, pitch in bar.bass
    ]
    ends = [*(at for at, _ in moments[1:]), len(bars) * STEPS][: len(moments)]
    return tuple(
        Note(
            pitch if pitch >= _LOWEST else pitch + 12,
            at * _SIXTEENTH,
            min(end - at, max(DURATIONS)) * _SIXTEENTH,
            _BASS + accent + (6 if at % STEPS == 0 else 0),
        )
        for (at, pitch), end in zip(moments, ends, strict=True)
    )


def harmony(bars: Sequence[Bar], shift: int) -> tuple[Chord, ...]:
    """The chords, each until the next."""
    moments = [
        (number * STEPS + at, root, quality)
        for number, bar in enumerate(bars)
        for at, root, quality in bar.chords
    ]
    ends = [*(at for at, _, _ in moments), len(bars) * STEPS][1:]
    return tuple(
        Chord((root + shift) % 12, quality, at * _SIXTEENTH, (end - at) * _SIXTEENTH)
        for (at, root, quality), end in zip(moments, ends, strict=True)
    )


def comped(chords: Sequence[Chord], bars: int, comping: Comping, accent: int) -> tuple[Note, ...]:
    """The chords as they are played, each voice near where it was."""
    notes: list[Note] = []
    voicing: tuple[int, ...] = ()
    strokes = [
        (bar * BEATS + start, length) for bar in range(bars) for start, length in comping.hits
    ]
    turn = 0
    for chord in chords:
        end = chord.start + chord.duration
        voicing, turn = _voiced(chord, voicing), 0
        mine = [stroke for stroke in strokes if chord.start <= stroke[0] < end]
        for start, length in mine or [(chord.start, chord.duration)]:
            pitches = voicing
            if comping.broken:
                pitches = (voicing[(0, 2, 1, -1)[turn % 4] % len(voicing)],)
                turn += 1
            velocity = _CHORDS + accent + (4 if start % BEATS == 0 else 0)
            notes += [Note(p, start, min(length, end - start), velocity) for p in pitches]
    return tuple(notes)


def _voiced(chord: Chord, before: tuple[int, ...]) -> tuple[int, ...]:
    """The inversion whose voices move least."""
    tones = [chord.root + tone for tone in QUALITIES[chord.quality]]
    goal = sum(before) / len(before) if before else _MIDDLE
    inversions = [
        tuple(sorted(tone + 12 * (at < raised) for at, tone in enumerate(tones)))
        for raised in range(len(tones))
    ]
    options = [
        tuple(pitch + octave for pitch in inversion)
        for inversion in inversions
        for octave in (36, 48, 60)
    ]
    return min(
        options,
        key=lambda option: (
            abs(sum(option) / len(option) - goal)
            # Drawn back to the middle, lest it wanders off.
            + 0.3 * abs(sum(option) / len(option) - _MIDDLE)
        ),
    )
