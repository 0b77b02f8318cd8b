"""A melody engine without weights: a scale up and down, with everything a musician gives."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from services.melody.engine import (
    Genre,
    MelodyRequest,
    Musician,
    Notation,
    Piece,
    Progress,
    Samples,
    Score,
    Sound,
    Started,
    Stem,
    SungLine,
    SungNote,
)
from services.melody.requests import genres_of, seconds_of
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation

RATE, CHANNELS = 32000, 2
TEMPO, KEY = 120.0, "C major"
#: MIDI numbers, one a beat; the seed says with which the tune begins.
SCALE = (60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62)


class FakeMelodyEngine:
    """Loads at once, whatever the folder."""

    kinds = frozenset({CPU})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> Musician:
        """A musician that needs no files."""
        return FakeMusician(genres_of(manifest))


class FakeMusician:
    """Plays the scale of C, a tone a beat. The same seed and tempo give the same tune."""

    def __init__(self, genres: tuple[Genre, ...] = ()) -> None:
        self.genres = genres

    def compose(self, request: MelodyRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """See `Musician`."""
        seconds = seconds_of(request)
        tempo = request.tempo or TEMPO
        genre = request.genre or (self.genres[0].name if self.genres else "")
        yield Started(seconds, RATE, CHANNELS, genre, tempo, request.key or KEY)
        beats = int(seconds * tempo / 60)
        notes = [SCALE[(request.seed + beat) % len(SCALE)] for beat in range(beats)]
        yield from _written(request, notes, tempo)
        sound = _played(notes, seconds, tempo)
        for start in range(0, len(sound), RATE):
            if cancelled.is_set:
                return
            if not request.silent:
                yield Sound(sound[start : start + RATE])
            yield Progress(min(1.0, (start + RATE) / len(sound)))
        if "stems" in request.artifacts:
            yield Stem("lead", sound)

    def close(self) -> None:
        """Nothing to free."""


def _written(request: MelodyRequest, notes: list[int], tempo: float) -> Iterator[Piece]:
    if "midi" in request.artifacts:
        yield Notation("melody.mid", _midi(notes, tempo))
    if "musicxml" in request.artifacts:
        yield Notation("melody.musicxml", b"<score-partwise version='4.0'/>")
    if "score" in request.artifacts:
        yield _score(request, tempo)


def _played(notes: list[int], seconds: float, tempo: float) -> Samples:
    times = np.arange(round(seconds * RATE)) / RATE
    pitches = np.array([*notes, SCALE[0]])[np.minimum(times * tempo / 60, len(notes)).astype(int)]
    tone = 0.3 * np.sin(2 * np.pi * 440 * 2 ** ((pitches - 69) / 12) * times)
    return np.repeat(tone[:, None], CHANNELS, axis=1).astype(np.float32)


def _score(request: MelodyRequest, tempo: float) -> Score:
    """A tone for each syllable, without a rest."""
    beat, at, lines = 60 / tempo, 0, []
    for section, asked in enumerate(request.sections):
        for count in asked.syllables:
            notes = (
                SungNote(SCALE[n % len(SCALE)], n * beat, (n + 1) * beat)
                for n in range(at, at + count)
            )
            lines.append(SungLine(section, tuple(notes)))
            at += count
    return Score(tuple(lines))


def _midi(notes: list[int], tempo: float) -> bytes:
    """A standard MIDI file of one track: the tones, 96 ticks each."""
    events = b"\x00\xff\x51\x03" + struct.pack(">I", round(60e6 / tempo))[1:]
    for note in notes:
        events += bytes((0, 0x90, note, 90, 96, 0x80, note, 0))
    events += b"\x00\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, 96)
    return header + struct.pack(">4sI", b"MTrk", len(events)) + events
