"""Sings the lines of a song: spoken lines on the notes of a melody, as a guide for a singer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from services.runtime.worker import Cancellation
from services.song.singing import Note, loudness, melody, times
from services.song.syllable_times import sonority, vowels
from services.song.voice import FRAME_MS, RATE, Samples, Voice, analysed, resynthesised

#: Samples per second of what is sung.
SUNG_RATE = 44100

_FRAME = FRAME_MS / 1000
#: A voice sings most easily a little above where it speaks, semitones.
_ABOVE_SPEECH = 3.0
#: How loud lines are made: root of the mean square of what is louder than the other number.
_LOUDNESS, _PAUSE = 0.1, 0.02
#: A line may end by so many seconds after the next one has begun; what would last longer is
#: sung faster, but not shorter than this share of its length.
_OVERLAP, _HASTE = 0.1, 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line to sing: a note for each syllable, and a voice that speaks it.

    `spoken` is mono float32 at 24 kHz, full scale at 1.
    """

    notes: Sequence[Note]
    spoken: Samples


def sing(lines: Sequence[Line], seconds: float, cancelled: Cancellation) -> Samples:
    """Sings `lines`, in the order of their notes, in a song that is `seconds` long.

    Returns mono float32 at `SUNG_RATE`, shape `(round(seconds * SUNG_RATE),)`, within full scale.
    All are transposed by the same octaves, to where the voice is at ease. A line in which no
    voice is found is spoken where it starts, one without notes is left out. Ends early, with
    lines missing, once `cancelled`.
    """
    song = np.zeros(round(seconds * RATE), np.float32)
    lines = [line for line in lines if line.notes]
    voices: list[Voice | None] = []
    for line in lines:
        if not cancelled.is_set:
            voices.append(analysed(line.spoken))
    shift = _transposition(lines, voices)
    for at, voice in enumerate(voices):
        if cancelled.is_set:
            break
        until = lines[at + 1].notes[0].start if at + 1 < len(lines) else seconds
        start, sound = _sung(lines[at], voice, shift, until + _OVERLAP)
        _add(song, start, _levelled(sound))
    answer = np.zeros(round(seconds * SUNG_RATE), np.float32)
    if song.size:
        whole = soxr.resample(song, RATE, SUNG_RATE)[: len(answer)]
        answer[: len(whole)] = whole.clip(-1.0, 1.0)
    return answer


def _transposition(lines: Sequence[Line], voices: Sequence[Voice | None]) -> int:
    """By how many semitones, whole octaves, the melody comes closest to the voice."""
    spoken = [voice.pitch[voice.voiced] for voice in voices if voice is not None]
    if not spoken:
        return 0
    speaks = 69 + 12 * math.log2(float(np.median(np.concatenate(spoken))) / 440)
    written = float(np.median([note.pitch for line in lines for note in line.notes]))
    return 12 * round((speaks + _ABOVE_SPEECH - written) / 12)


def _sung(line: Line, voice: Voice | None, shift: int, until: float) -> tuple[float, Samples]:
    """When the line begins, seconds, and its sound at `RATE`."""
    found = []
    if voice is not None:
        found = vowels(sonority(voice.envelope, voice.voiced, RATE), len(line.notes))
    if voice is None or not found:
        return line.notes[0].start, np.nan_to_num(line.spoken, posinf=0.0, neginf=0.0)
    knots = times(found, line.notes, len(voice.pitch), _FRAME).ended_by(until, _HASTE)
    begin, end = knots.sung[0], knots.sung[-1]
    seconds = begin + np.arange(math.ceil((end - begin) / _FRAME)) * _FRAME
    pitch = melody(line.notes, knots.vowels, seconds) + shift
    sound = resynthesised(
        voice,
        frames=np.interp(seconds, knots.sung, knots.spoken),
        pitch=440.0 * 2 ** ((pitch - 69) / 12),
        loudness=loudness(knots, seconds),
    )
    return float(begin), sound


def _levelled(sound: Samples) -> Samples:
    """As loud as every line."""
    loud = sound[np.abs(sound) > _PAUSE * np.abs(sound).max(initial=0.0)]
    level = math.sqrt(float(np.square(loud, dtype=np.float64).mean())) if loud.size else 0.0
    return sound * np.float32(_LOUDNESS / level) if level > 1e-6 else sound


def _add(song: Samples, start: float, sound: Samples) -> None:
    """Adds a line to the song; what would lie outside is cut off."""
    at = round(start * RATE)
    audible = sound[max(0, -at) :]
    room = song[max(0, at) :][: len(audible)]
    room += audible[: len(room)]
