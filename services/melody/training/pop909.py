"""POP909: songs as bars of lead, chords and bass, all in C major or A minor."""

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import symusic
from numpy.typing import NDArray

from services.melody.composition import Mode
from services.melody.tokens import BASS, DURATIONS, LEAD, PHRASE, STEPS, Bar

Floats = NDArray[np.float64]
#: Degrees of the key that songs are moved to; of the minor also its leading note.
SCALE = {"major": {0, 2, 4, 5, 7, 9, 11}, "minor": {0, 2, 4, 5, 7, 8, 9, 11}}
TONIC = {"major": 0, "minor": 9}
_NAMES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
#: What the corpus's chords are to us.
_QUALITY = {
    "maj": "maj", "min": "min", "sus2": "sus4", "sus4": "sus4", "sus4(b7)": "sus4", "7": "7",
    "min7": "min7", "maj7": "maj7", "maj6": "maj", "min6": "min", "dim": "dim", "hdim7": "dim",
    "dim7": "dim", "aug": "aug", "minmaj7": "min",
}  # fmt: skip
#: A line ends where the next note begins this many sixteenths later, or fewer with a rest between;
#: none has more notes than `_LONGEST`.
_APART, _BREATH, _LONGEST = 8, 4, 16
#: The highest note that is still the piano's left hand, and the least share of notes on the scale
#: for which we believe that we know the key.
_LEFT_HAND, _BELIEVED = 55, 0.85


@dataclass(frozen=True, slots=True)
class Song:
    """One song."""

    name: str
    mode: Mode
    tempo: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class _Note:
    at: int
    pitch: int
    length: int


def songs(folder: Path) -> Iterator[Song]:
    """All songs in four-four time whose key is plain, by number."""
    for path in sorted(folder.glob("*/*.mid")):
        if path.stem == path.parent.name:
            found = _song(path)
            if found is not None:
                yield found


def pitch_class(name: str) -> int:
    """`Gb` is 6."""
    return (_NAMES[name[0]] + name.count("#") - name.count("b")) % 12


def _song(path: Path) -> Song | None:
    beats = np.loadtxt(path.parent / "beat_midi.txt")
    downs = np.flatnonzero(beats[:, 2] == 1)
    if len(downs) < 16 or np.mean(np.diff(downs) == 4) < 0.9:
        return None
    times = beats[:, 0]
    score: Any = symusic.Score(str(path))
    tracks = {track.name: track.notes for track in score.to("second").tracks}
    melody, bridge, piano = (
        _notes(tracks.get(name, []), times) for name in ("MELODY", "BRIDGE", "PIANO")
    )
    shift, mode = _key(melody, piano, path.parent / "key_audio.txt")
    if shift is None:
        return None
    bars = _bars(
        downs * 4, _moved(melody, shift, 66), _moved(bridge, shift, 69), _moved(piano, shift, None),
        _chords(path.parent / "chord_midi.txt", times, shift),
    )  # fmt: skip
    return Song(path.stem, mode, 60 / float(np.median(np.diff(times))), tuple(bars))


def _steps(seconds: Floats, times: Floats) -> NDArray[np.int64]:
    """Moments as sixteenths from the first beat on."""
    beats = np.interp(seconds, times, np.arange(len(times)))
    return np.asarray(np.round(beats * 4), np.int64)


def _notes(notes: Any, times: Floats) -> list[_Note]:
    starts = _steps(np.array([note.start for note in notes]), times)
    ends = _steps(np.array([note.start + note.duration for note in notes]), times)
    return [
        _Note(int(start), note.pitch, max(1, int(end - start)))
        for note, start, end in zip(notes, starts, ends, strict=True)
    ]


def _key(melody: list[_Note], piano: list[_Note], labels: Path) -> tuple[int | None, Mode]:
    """By how much to move the song, and its mode: the label's where that fits the notes."""
    weight = np.zeros(12)
    for note in [*melody, *melody, *piano]:
        weight[note.pitch % 12] += min(note.length, 8)
    weight /= weight.sum() or 1
    fit = [sum(weight[(degree - shift) % 12] for degree in SCALE["major"]) for shift in range(12)]
    best = int(np.argmax(fit))
    if fit[best] < _BELIEVED:
        return None, "major"
    name, _, mode = labels.read_text().split("\n")[0].split("\t")[2].partition(":")
    tonic = pitch_class(name)
    labelled: Mode = "minor" if mode == "min" else "major"
    if (TONIC[labelled] - tonic) % 12 != best:
        labelled = "major" if weight[-best % 12] >= weight[(9 - best) % 12] else "minor"
    return best if best <= 6 else best - 12, labelled


def _moved(notes: list[_Note], shift: int, middle: int | None) -> list[_Note]:
    """Moved, and by whole octaves so that the median comes near `middle`."""
    if middle is not None and notes:
        median = np.median([note.pitch for note in notes]) + shift
        shift += 12 * round((middle - median) / 12)
    return [_Note(note.at, note.pitch + shift, note.length) for note in notes]


def _chords(path: Path, times: Floats, shift: int) -> list[tuple[int, int, str]]:
    """By beat, the sixteenth at which they begin; silence goes on with the one before."""
    found: list[tuple[int, int, str]] = []
    for line in path.read_text().split("\n"):
        fields = line.split()
        parsed = re.match(r"([A-G][b#]*):([^/]+)", fields[2]) if len(fields) == 3 else None
        if parsed is not None and parsed[2] in _QUALITY:
            at = int(_steps(np.array([float(fields[0])]), times)[0])
            root, quality = (pitch_class(parsed[1]) + shift) % 12, _QUALITY[parsed[2]]
            if parsed[2] == "sus2":
                root = (root + 7) % 12  # Csus2 has the notes of Gsus4.
            found.append((at // 4 * 4, root, quality))
    return found


def _bars(
    downs: NDArray[np.int64],
    melody: list[_Note],
    bridge: list[_Note],
    piano: list[_Note],
    chords: list[tuple[int, int, str]],
) -> Iterator[Bar]:
    sung = _alone(melody)
    lines = _line_ends(sung)
    first = _phase(sung, lines, downs)
    played = _alone(bridge)
    bass = _bass(piano)
    starts = [note.at for note in sung]
    for number, down in enumerate(downs[:-1]):
        if downs[number + 1] - down != STEPS or not chords:
            continue
        span = range(int(down), int(down) + STEPS)
        mine = range(bisect_left(starts, span.start), bisect_left(starts, span.stop))
        around = bisect_left(starts, span.start - STEPS), bisect_left(starts, span.stop + STEPS)
        silent = around[0] == around[1]
        lead = [note for note in (played if silent else sung) if note.at in span]
        left = lines[mine[0]] - mine[0] if mine else 0
        yield Bar(
            (number - first) % PHRASE,
            None if silent else left,
            _chords_of(chords, span),
            tuple((note.at - span.start, note.pitch) for note in bass if note.at in span),
            tuple((note.at - span.start, note.pitch, note.length) for note in lead),
        )


def _alone(notes: list[_Note]) -> list[_Note]:
    """One voice: the highest note of each moment, none longer than until the next."""
    highest: dict[int, _Note] = {}
    for note in sorted(notes, key=lambda note: note.pitch):
        highest[note.at] = note
    order = [highest[at] for at in sorted(highest)]
    voice = []
    for note, following in zip(order, [*order[1:], None], strict=True):
        room = following.at - note.at if following else STEPS
        length = max(step for step in DURATIONS if step <= max(1, min(note.length, room)))
        # A gap of less than an eighth is how it was played, not a rest.
        if room - note.length <= 1 and room in DURATIONS:
            length = room
        pitch = note.pitch
        while pitch not in LEAD:
            pitch += 12 if pitch < LEAD.start else -12
        voice.append(_Note(note.at, pitch, length))
    return voice


def _line_ends(sung: list[_Note]) -> list[int]:
    """For each note the index after the last of its line."""
    ends: list[int] = []
    first = 0
    for at, (note, following) in enumerate(itertools.pairwise(sung), 1):
        apart = following.at - note.at
        if apart >= _APART or (apart >= _BREATH and apart - note.length >= 2):
            ends += _divided(sung[first:at], first)
            first = at
    return ends + _divided(sung[first:], first)


def _divided(line: list[_Note], first: int) -> list[int]:
    """As `_line_ends`, of one line; a long one ends at its longest wait too."""
    if len(line) > _LONGEST:
        waits = [after.at - note.at for note, after in itertools.pairwise(line)]
        # Of equal waits the one nearest to the middle.
        middle = len(line) / 2
        at = max(range(len(waits)), key=lambda at: (waits[at], -abs(at + 1 - middle))) + 1
        return _divided(line[:at], first) + _divided(line[at:], first + at)
    return [first + len(line)] * len(line)


def _phase(sung: list[_Note], ends: list[int], downs: NDArray[np.int64]) -> int:
    """The bar, 0 to 3, with which phrases of four begin: most lines start there."""
    starts = [note.at for at, note in enumerate(sung) if at == 0 or ends[at - 1] == at]
    bars = np.searchsorted(downs, np.array(starts) + 4, side="right") - 1
    return int(np.argmax(np.bincount(bars[bars >= 0] % PHRASE, minlength=PHRASE)))


def _bass(piano: list[_Note]) -> list[_Note]:
    """The left hand's lowest notes, by eighths, without immediate repeats of an arpeggio's top."""
    lowest: dict[int, int] = {}
    for note in piano:
        at = round(note.at / 2) * 2
        if note.pitch <= _LEFT_HAND and note.pitch < lowest.get(at, 128):
            lowest[at] = note.pitch
    found: list[_Note] = []
    for at in sorted(lowest):
        pitch = lowest[at]
        # Of a broken chord only what is near its lowest note is a bass.
        around = [lowest[other] for other in range(at - 6, at + 8, 2) if other in lowest]
        if pitch > min(around) + 7:
            continue
        while pitch not in BASS:
            pitch += 12 if pitch < BASS.start else -12
        found.append(_Note(at, pitch, 0))
    return found


def _chords_of(chords: list[tuple[int, int, str]], span: range) -> tuple[tuple[int, int, str], ...]:
    before = [chord for chord in chords if chord[0] <= span.start]
    _, root, quality = before[-1] if before else chords[0]
    found = [(0, root, quality)]
    for at, root, quality in chords:
        if at in span and at > span.start and (root, quality) != found[-1][1:]:
            found.append((at - span.start, root, quality))
    return tuple(found)
