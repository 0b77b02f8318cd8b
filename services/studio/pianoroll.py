"""The notes of a song as a picture: time from left to right, pitch from bottom to top."""

import html
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import mido

_TEMPO = 500_000
#: The channel of MIDI on which notes are drums.
_DRUMS = 9
_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
#: Units of the picture for a second, and for a semitone.
SECOND, _SEMITONE = 100, 10


@dataclass(frozen=True, slots=True)
class Note:
    """A note from `start` to `end`, in seconds; `pitch` as MIDI counts, 60 is the middle C."""

    start: float
    end: float
    pitch: int


@dataclass(frozen=True, slots=True)
class Track:
    """What one instrument plays. Drums have no pitches, only places."""

    name: str
    drums: bool
    notes: tuple[Note, ...]

    @property
    def lowest(self) -> str:
        """The name of its lowest note."""
        return named(min(note.pitch for note in self.notes))

    @property
    def highest(self) -> str:
        """The name of its highest note."""
        return named(max(note.pitch for note in self.notes))


def named(pitch: int) -> str:
    """A pitch as musicians call it, such as C4."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"


def tracks_of(midi: bytes) -> list[Track]:
    """The tracks of a MIDI file that have notes. Raises `ValueError` for what is no MIDI file."""
    try:
        file = mido.MidiFile(file=io.BytesIO(midi), clip=True)
    except (EOFError, OSError, ValueError, LookupError) as error:
        raise ValueError("This is no MIDI file.") from error
    tempi = _tempi(file)
    found = (_track(track, file.ticks_per_beat, tempi) for track in file.tracks)
    return [track for track in found if track.notes]


def _tempi(file: mido.MidiFile) -> list[tuple[int, int]]:
    """When each tempo begins, in ticks, and microseconds of a quarter note from then on."""
    changes = [(0, _TEMPO)]
    for track in file.tracks:
        at = 0
        for message in track:
            at += message.time
            if message.type == "set_tempo":
                changes.append((at, message.tempo))
    return sorted(changes, key=lambda change: change[0])


def _seconds(tick: int, beat: int, tempi: Sequence[tuple[int, int]]) -> float:
    seconds = 0.0
    for (at, tempo), (until, _) in zip(tempi, [*tempi[1:], (tick, 0)], strict=True):
        if at < tick:
            seconds += mido.tick2second(min(until, tick) - at, beat, tempo)
    return seconds


def _track(track: mido.MidiTrack, beat: int, tempi: Sequence[tuple[int, int]]) -> Track:
    at, drums = 0, False
    begun: dict[int, list[int]] = defaultdict(list)
    notes = []
    for message in track:
        at += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        drums = drums or message.channel == _DRUMS
        if message.type == "note_on" and message.velocity:
            begun[message.note].append(at)
        elif begun[message.note]:
            start = _seconds(begun[message.note].pop(0), beat, tempi)
            notes.append(Note(start, _seconds(at, beat, tempi), message.note))
    return Track(track.name, drums, tuple(sorted(notes, key=lambda note: note.start)))


def drawn(tracks: Sequence[Track], seconds: float, label: str) -> str:
    """The picture of a song of so many seconds as SVG, which says `label` to who cannot see it.

    Each track is a path of the class `track-<number>`; the line of the class `playhead` stands at
    the beginning, `SECOND` units for each second.
    """
    rows = _rows(tracks)
    width, height = max(seconds, 1.0) * SECOND, max(len(rows), 1) * _SEMITONE
    paths = "".join(
        f'<path class="track-{number}" d="{_path(track, rows)}"/>'
        for number, track in enumerate(tracks)
    )
    return (
        f'<svg class="piano-roll" role="img" aria-label="{html.escape(label)}" '
        f'viewBox="0 0 {width:.0f} {height}" preserveAspectRatio="none" '
        f'data-second="{SECOND}">{paths}'
        f'<line class="playhead" x1="0" x2="0" y1="0" y2="{height}"/></svg>'
    )


def _rows(tracks: Sequence[Track]) -> dict[tuple[bool, int], int]:
    """The row of each pitch, from the top: all between the outermost, and drums beneath."""
    pitches = {note.pitch for track in tracks if not track.drums for note in track.notes}
    drums = {note.pitch for track in tracks if track.drums for note in track.notes}
    wanted = [(False, p) for p in range(max(pitches, default=0), min(pitches, default=1) - 1, -1)]
    wanted += [(True, pitch) for pitch in sorted(drums, reverse=True)]
    return {row: at for at, row in enumerate(wanted)}


def _path(track: Track, rows: dict[tuple[bool, int], int]) -> str:
    parts = []
    for note in track.notes:
        # A gap between notes of one pitch, so that they do not look like one.
        width = max((note.end - note.start) * SECOND - 1, 2)
        top = rows[track.drums, note.pitch] * _SEMITONE + 1
        parts.append(f"M{note.start * SECOND:.0f} {top}h{width:.0f}v8h-{width:.0f}z")
    return "".join(parts)
