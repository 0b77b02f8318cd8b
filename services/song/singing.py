"""From the syllables of a spoken line and the notes they are for: what to sound when, how high."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.song.syllable_times import Vowel

Floats = NDArray[np.float64]

#: A sung consonant keeps its length, down to this share of it where the notes leave no more time.
_CONSONANT = 0.9
#: A vowel is at least this share of what it was in speech.
_VOWEL = 0.8
#: The last vowel of a line is held for at most so many seconds. Where each line ends in a pause
#: it is understood far better than where one runs into the next.
_LAST = 0.75
#: A rest shorter than so many seconds is sung over.
_REST = 0.12
#: Seconds in which the voice falls silent, and comes back.
_FADE = 0.015
#: Seconds that a glide from note to note takes, ending when the vowel has begun.
_GLIDE = 0.07
#: Notes longer than this many seconds tremble, from then on, by so much of a semitone, so often.
_VIBRATO_AFTER, _VIBRATO_DEPTH, _VIBRATO_HZ = 0.35, 0.3, 5.5


class Note(NamedTuple):
    """A note: MIDI number, and seconds from the start of the song."""

    pitch: int
    start: float
    end: float


class Times(NamedTuple):
    """A map of times: what is at frame `spoken[i]` of the line sounds at second `sung[i]`.

    Both only grow; between them it is linear. Where `spoken` stands still the voice rests.
    """

    spoken: Floats
    sung: Floats

    @property
    def vowels(self) -> Floats:
        """When each vowel begins, seconds."""
        return self.sung[1::4]

    def ended_by(self, until: float, least: float) -> "Times":
        """The same by second `until`, hurried if it must, to no less than this share."""
        begin, length = self.sung[0], self.sung[-1] - self.sung[0]
        share = min(1.0, max(least, (until - begin) / length)) if length > 0 else 1.0
        return Times(self.spoken, begin + (self.sung - begin) * share)


def times(vowels: Sequence[Vowel], notes: Sequence[Note], length: int, frame: float) -> Times:
    """Puts each vowel onto its note and stretches it; consonants before a note keep their length.

    `length` are the frames of the line, of `frame` seconds each. Where a note is too short for
    its syllable the next ones are late, so the line may end after its notes. The first knot is
    the line's begin; those that follow are the start and the end of each vowel, and the two ends
    of the rest before the next one.
    """
    now = notes[0].start
    knots = [(0.0, now - vowels[0].start * frame)]
    for at, (vowel, note) in enumerate(zip(vowels, notes, strict=True)):
        last = at + 1 == len(notes)
        border = length if last else vowels[at + 1].syllable
        following = length if last else vowels[at + 1].start
        before, after = (border - vowel.end) * frame, (following - border) * frame
        goal = note.end + before if last else notes[at + 1].start
        held = min(note.end, goal - before - after, now + (_LAST if last else math.inf)) - now
        held = max(held, (vowel.end - vowel.start) * frame * _VOWEL)
        squeezed = (goal - now - held) / max(before + after, frame)
        squeezed = min(1.0, max(_CONSONANT, squeezed))
        rest = goal - now - held - squeezed * (before + after)
        if rest < _REST:
            held += max(0.0, rest)
            rest = 0.0
        knots += [(vowel.start, now), (vowel.end, now + held)]
        now += held + before * squeezed
        knots += [(border, now), (border, now + rest)]
        now += rest + after * squeezed
    spoken, sung = zip(*knots, strict=True)
    return Times(np.asarray(spoken, np.float64), np.asarray(sung, np.float64))


def loudness(knots: Times, seconds: Floats) -> Floats:
    """The share of its loudness, 0 to 1, that the voice has at each of `seconds`."""
    share = np.ones(len(seconds))
    for start, end in zip(knots.sung[3::4], knots.sung[4::4], strict=True):
        if end > start:
            inside = np.minimum(seconds - start, end - seconds) / _FADE
            share = np.minimum(share, 1.0 - inside.clip(0.0, 1.0))
    return share


def melody(notes: Sequence[Note], starts: Floats, seconds: Floats) -> Floats:
    """What is sung at each of `seconds`, as MIDI numbers with fractions.

    `starts` are when the vowels of `notes` really begin.
    """
    at = np.searchsorted(starts, seconds, side="right").clip(1, len(notes)) - 1
    pitches = np.asarray([note.pitch for note in notes], np.float64)
    sung = pitches[at]
    for index in range(1, len(notes)):
        # The voice glides while the consonants sound and arrives with the vowel.
        share = ((seconds - starts[index]) / _GLIDE + 0.7).clip(0.0, 1.0)
        inside = (share > 0) & (share < 1) & (np.abs(at - index + 0.5) < 1)
        eased = 0.5 - 0.5 * np.cos(np.pi * share[inside])
        sung[inside] = pitches[index - 1] + eased * (pitches[index] - pitches[index - 1])
    age = seconds - starts[at] - _VIBRATO_AFTER
    depth = _VIBRATO_DEPTH * (age / 0.3).clip(0.0, 1.0)
    return np.asarray(sung + depth * np.sin(2 * np.pi * _VIBRATO_HZ * age))
