"""A piece as a document: a MIDI file, and the times at which its lines are sung."""

from collections.abc import Iterable

from symusic.core import (
    ControlChangeTick,
    KeySignatureTick,
    NoteTick,
    ScoreTick,
    TempoTick,
    TextMetaTick,
    TimeSignatureTick,
    TrackTick,
)

from services.melody.band import Band
from services.melody.composition import BEATS, PARTS, Key, Part, Passage, Plan
from services.melody.engine import Score, SungLine, SungNote
from services.melody.performance import performed

#: Ticks of a quarter note.
_TICKS = 480
_VOLUME, _PAN = 7, 10


def midi(plan: Plan, band: Band, passages: Iterable[Passage]) -> bytes:
    """A standard MIDI file, a track for each part. The same piece gives the same bytes."""
    file = ScoreTick(_TICKS)
    file.tempos.append(TempoTick(0, qpm=plan.tempo))
    file.time_signatures.append(TimeSignatureTick(0, BEATS, 4))
    minor = int(plan.key.mode == "minor")
    file.key_signatures.append(KeySignatureTick(0, fifths_of(plan.key), minor))
    tracks = {part: _track(part, band) for part in PARTS}
    beat = 0
    for passage in passages:
        file.markers.append(TextMetaTick(beat * _TICKS, passage.kind))
        for part, track in tracks.items():
            for note in performed(passage, part):
                start = round((beat + note.start) * _TICKS)
                end = round((beat + note.start + note.duration) * _TICKS)
                track.notes.append(NoteTick(start, end - start, note.pitch, note.velocity))
        beat += passage.bars * BEATS
    for track in tracks.values():
        file.tracks.append(track)
    return bytes(file.dumps_midi())


def score(plan: Plan, passages: Iterable[Passage]) -> Score:
    """The notes of the sung lines, in seconds."""
    lines: list[SungLine] = []
    second = 60 / plan.tempo
    beat = 0
    for section, passage in enumerate(passages):
        lead = passage.parts.get("lead", ())
        for first, end in passage.lines:
            notes = tuple(
                SungNote(
                    note.pitch,
                    (beat + note.start) * second,
                    (beat + note.start + note.duration) * second,
                )
                for note in lead[first:end]
            )
            lines.append(SungLine(section, notes))
        beat += passage.bars * BEATS
    return Score(tuple(lines))


def fifths_of(key: Key) -> int:
    """The sharps of a key signature, or its flats as a negative number."""
    relative_major = key.tonic + (3 if key.mode == "minor" else 0)
    sharps = 7 * relative_major % 12
    return sharps if sharps < 6 or (sharps == 6 and key.mode == "major") else sharps - 12


def _track(part: Part, band: Band) -> TrackTick:
    instrument = band.instrument(part)
    track = TrackTick(part, instrument.program, part == "drums")
    # General MIDI's volume is the square root of an amplitude, 100 where nothing is said.
    volume = min(127, round(100 * 10 ** (instrument.gain_db / 40)))
    track.controls.append(ControlChangeTick(0, _VOLUME, volume))
    track.controls.append(ControlChangeTick(0, _PAN, round((instrument.pan + 1) * 63.5)))
    return track
