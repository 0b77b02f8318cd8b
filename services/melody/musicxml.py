"""A piece as a lead sheet in MusicXML: the melody with its chords, and the bass.

Written here, since partitura, which we read it back with in tests, writes chord symbols that the
format's schema does not allow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from services.melody.composition import BEATS, Chord, Note, Part, Passage, Plan
from services.melody.notation import fifths_of

#: Sixteenths, the finest that is written.
_DIVISIONS = 4
_BAR = BEATS * _DIVISIONS

#: What one sign can last, the longest first: its name, its dots, and where in a bar it may begin.
_SIGNS: tuple[tuple[int, str, int, int], ...] = (
    (16, "whole", 0, 16), (12, "half", 1, 4), (8, "half", 0, 4), (6, "quarter", 1, 2),
    (4, "quarter", 0, 2), (3, "eighth", 1, 1), (2, "eighth", 0, 1), (1, "16th", 0, 1),
)  # fmt: skip

#: The name of each of `QUALITIES`, and what is printed.
_KINDS = {
    "maj": ("major", ""),
    "min": ("minor", "m"),
    "dim": ("diminished", "dim"),
    "aug": ("augmented", "aug"),
    "sus4": ("suspended-fourth", "sus4"),
    "7": ("dominant", "7"),
    "maj7": ("major-seventh", "maj7"),
    "min7": ("minor-seventh", "m7"),
}

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)


@dataclass(frozen=True, slots=True)
class _Sound:
    """What sounds between two moments, in sixteenths from the start; None is a rest."""

    start: int
    end: int
    pitch: int | None


def musicxml(plan: Plan, passages: Sequence[Passage]) -> bytes:
    """Uncompressed MusicXML 4.0. Starts and ends are rounded to sixteenths."""
    root = Element("score-partwise", version="4.0")
    names = SubElement(root, "part-list")
    for number, name in enumerate(("Lead", "Bass"), start=1):
        entry = SubElement(names, "score-part", id=f"P{number}")
        SubElement(entry, "part-name").text = name
    _write_part(SubElement(root, "part", id="P1"), plan, passages, "lead")
    _write_part(SubElement(root, "part", id="P2"), plan, passages, "bass")
    ElementTree.indent(root, " ")
    return (_HEAD + ElementTree.tostring(root, encoding="unicode") + "\n").encode()


def _write_part(part: Element, plan: Plan, passages: Sequence[Passage], name: Part) -> None:
    fifths = fifths_of(plan.key)
    sounds = _line(passages, name)
    chords = _chords(passages) if name == "lead" else []
    first_bar = 0
    for passage in passages:
        for bar in range(first_bar, first_bar + passage.bars):
            measure = SubElement(part, "measure", number=str(bar + 1))
            if bar == 0:
                _write_attributes(measure, plan, name)
            if name == "lead" and bar == first_bar:
                _write_section(measure, passage.kind, plan.tempo if bar == 0 else None)
            _write_bar(measure, bar * _BAR, sounds, chords, fifths)
        first_bar += passage.bars


def _line(passages: Sequence[Passage], name: Part) -> list[_Sound]:
    """The part as one voice without gaps: a note ends where the next begins, at the latest."""
    total = sum(passage.bars for passage in passages) * _BAR
    starts: dict[int, tuple[int, int]] = {}
    for start, note in _placed((passage.bars, passage.parts.get(name, ())) for passage in passages):
        end = start + max(1, round(note.duration * _DIVISIONS))
        if start < total and (start not in starts or note.pitch > starts[start][1]):
            starts[start] = (min(end, total), note.pitch)
    sounds: list[_Sound] = []
    at = 0
    for start, following in pairwise([*sorted(starts), total]):
        end, pitch = starts[start]
        end = min(end, following)
        sounds += [_Sound(at, start, None)] if at < start else []
        sounds.append(_Sound(start, end, pitch))
        at = end
    return [*sounds, _Sound(at, total, None)] if at < total else sounds


def _placed(parts: Iterable[tuple[int, tuple[Note, ...]]]) -> Iterable[tuple[int, Note]]:
    bars = 0
    for length, notes in parts:
        for note in notes:
            yield bars * _BAR + round(note.start * _DIVISIONS), note
        bars += length


def _chords(passages: Sequence[Passage]) -> list[tuple[int, Chord]]:
    """Each change of harmony and when it comes."""
    found: list[tuple[int, Chord]] = []
    bars = 0
    for passage in passages:
        found += [(bars * _BAR + round(c.start * _DIVISIONS), c) for c in passage.chords]
        bars += passage.bars
    return found


def _write_bar(
    measure: Element,
    start: int,
    sounds: Sequence[_Sound],
    chords: Sequence[tuple[int, Chord]],
    fifths: int,
) -> None:
    for sound in sounds:
        at, end = max(sound.start, start), min(sound.end, start + _BAR)
        while at < end:
            length, name, dots = _sign(at - start, end - at)
            for moment, chord in chords:
                if at <= moment < at + length:
                    _write_chord(measure, chord, moment - at, fifths)
            tied = (at > sound.start, at + length < sound.end)
            _write_note(measure, sound.pitch, length, name, dots, tied, fifths)
            at += length


def _sign(place: int, most: int) -> tuple[int, str, int]:
    return next(
        (length, name, dots)
        for length, name, dots, grid in _SIGNS
        if length <= most and place % grid == 0
    )


def _write_note(
    measure: Element,
    pitch: int | None,
    length: int,
    name: str,
    dots: int,
    tied: tuple[bool, bool],
    fifths: int,
) -> None:
    note = SubElement(measure, "note")
    if pitch is None:
        SubElement(note, "rest")
    else:
        step, alter = _spelt(pitch % 12, fifths)
        written = SubElement(note, "pitch")
        SubElement(written, "step").text = step
        if alter:
            SubElement(written, "alter").text = str(alter)
        SubElement(written, "octave").text = str((pitch - alter) // 12 - 1)
    SubElement(note, "duration").text = str(length)
    ties = [kind for kind, is_so in zip(("stop", "start"), tied, strict=True) if is_so]
    ties = ties if pitch is not None else []
    for kind in ties:
        SubElement(note, "tie", type=kind)
    SubElement(note, "voice").text = "1"
    SubElement(note, "type").text = name
    for _ in range(dots):
        SubElement(note, "dot")
    if ties:
        notations = SubElement(note, "notations")
        for kind in ties:
            SubElement(notations, "tied", type=kind)


def _write_chord(measure: Element, chord: Chord, later: int, fifths: int) -> None:
    """A chord symbol, `later` sixteenths after what follows it begins."""
    step, alter = _spelt(chord.root, fifths)
    kind, text = _KINDS[chord.quality]
    harmony = SubElement(measure, "harmony")
    root = SubElement(harmony, "root")
    SubElement(root, "root-step").text = step
    if alter:
        SubElement(root, "root-alter").text = str(alter)
    SubElement(harmony, "kind", text=text).text = kind
    if later:
        SubElement(harmony, "offset").text = str(later)


def _write_attributes(measure: Element, plan: Plan, name: Part) -> None:
    attributes = SubElement(measure, "attributes")
    SubElement(attributes, "divisions").text = str(_DIVISIONS)
    key = SubElement(attributes, "key")
    SubElement(key, "fifths").text = str(fifths_of(plan.key))
    SubElement(key, "mode").text = plan.key.mode
    time = SubElement(attributes, "time")
    SubElement(time, "beats").text = str(BEATS)
    SubElement(time, "beat-type").text = "4"
    clef = SubElement(attributes, "clef")
    SubElement(clef, "sign").text = "G" if name == "lead" else "F"
    SubElement(clef, "line").text = "2" if name == "lead" else "4"
    if name == "bass":
        SubElement(clef, "clef-octave-change").text = "-1"


def _write_section(measure: Element, kind: str, tempo: float | None) -> None:
    direction = SubElement(measure, "direction", placement="above")
    SubElement(SubElement(direction, "direction-type"), "rehearsal").text = kind.capitalize()
    if tempo is not None:
        metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
        SubElement(metronome, "beat-unit").text = "quarter"
        SubElement(metronome, "per-minute").text = f"{tempo:g}"
        SubElement(direction, "sound", tempo=f"{tempo:g}")


def _spelt(pitch_class: int, fifths: int) -> tuple[str, int]:
    """Letter and accidental: along the line of fifths, those nearest the key's own notes."""
    lowest = fifths - 3
    place = lowest + (7 * pitch_class - lowest) % 12
    return "FCGDAEB"[(place + 1) % 7], (place + 1) // 7
