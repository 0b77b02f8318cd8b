"""Documents: what is in them is what was composed."""

from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symusic.core import ScoreTick

from services.melody.composition import BEATS, PARTS, QUALITIES, Chord, Key, Note, Passage, Plan
from services.melody.musicxml import musicxml
from services.melody.notation import fifths_of, midi, score
from tests.fakes.tunes import BAND, tune

C_MAJOR = Key(0, "major")

notes = st.builds(
    Note, st.integers(28, 96), st.floats(0, 15.9), st.floats(0.01, 9), st.integers(1, 127)
)
chords = st.builds(
    Chord, st.integers(0, 11), st.sampled_from(sorted(QUALITIES)), st.floats(0, 15.8), st.just(1.0)
)


def measures(document: bytes, part: int) -> list[Element]:
    return ElementTree.fromstring(document).findall("part")[part].findall("measure")


def text(element: Element, path: str) -> str:
    return element.findtext(path) or ""


def plan_of(passage: Passage, key: Key = C_MAJOR) -> Plan:
    return Plan("pop", key, 100.0, 60.0, ((passage.kind, passage.bars),))


def test_a_midi_file_has_a_named_track_for_each_part() -> None:
    plan, passages = tune()
    file = ScoreTick.from_midi(midi(plan, BAND, passages))

    assert [track.name for track in file.tracks] == list(PARTS)
    assert [track.program for track in file.tracks] == [73, 0, 32, 8]
    assert [track.is_drum for track in file.tracks] == [False, False, False, True]
    assert [marker.text for marker in file.markers] == ["intro", "verse", "chorus"]
    assert file.tempos[0].qpm == pytest.approx(120)
    assert (file.key_signatures[0].key, file.key_signatures[0].tonality) == (0, 1)


def test_the_notes_of_a_midi_file_are_those_of_all_passages() -> None:
    plan, passages = tune()
    file = ScoreTick.from_midi(midi(plan, BAND, passages))
    written, beat = [], 0
    for passage in passages:
        written += [(beat + note.start, note.pitch) for note in passage.parts["lead"]]
        beat += passage.bars * BEATS

    found = [(note.time / file.ticks_per_quarter, note.pitch) for note in file.tracks[0].notes]
    assert found == written


def test_the_same_piece_is_the_same_file() -> None:
    assert midi(tune()[0], BAND, tune()[1]) == midi(tune()[0], BAND, tune()[1])
    assert musicxml(*tune()) == musicxml(*tune())


def test_lines_are_sung_at_the_seconds_of_their_notes() -> None:
    plan, passages = tune(tempo=60)
    lines = score(plan, passages).lines

    assert [line.section for line in lines] == [0, 0, 1, 1, 2, 2]
    assert [len(line.notes) for line in lines] == [6, 6, 12, 12, 12, 12]
    # At 60, a beat is a second; the verse begins after two bars, its second line two later.
    first = lines[3].notes[0]
    assert (first.start, first.end) == pytest.approx((16.0, 16.5))
    assert first.pitch == passages[1].parts["lead"][12].pitch


@pytest.mark.parametrize(
    ("key", "fifths"),
    [
        (Key(0, "major"), 0), (Key(7, "major"), 1), (Key(5, "major"), -1), (Key(6, "major"), 6),
        (Key(1, "major"), -5), (Key(11, "major"), 5), (Key(9, "minor"), 0), (Key(4, "minor"), 1),
        (Key(3, "minor"), -6), (Key(8, "minor"), 5), (Key(10, "minor"), -5), (Key(0, "minor"), -3),
    ],
)  # fmt: skip
def test_a_key_has_its_signature(key: Key, fifths: int) -> None:
    assert fifths_of(key) == fifths


def test_a_lead_sheet_has_the_tune_its_chords_and_its_sections() -> None:
    plan, passages = tune()
    lead = measures(musicxml(plan, passages), 0)

    assert len(lead) == 10
    letters = "".join(text(note, "pitch/step") for note in lead[0].findall("note"))
    assert letters == "ACEACE"
    verse = [(text(bar, ".//root-step"), text(bar, "harmony/kind")) for bar in lead[2:6]]
    assert verse == [("A", "minor"), ("F", "major"), ("C", "major"), ("G", "dominant")]
    rehearsals = [bar.findtext("direction/direction-type/rehearsal") for bar in lead]
    assert [name for name in rehearsals if name] == ["Intro", "Verse", "Chorus"]
    assert lead[0].find("direction/sound") is not None


@pytest.mark.parametrize(
    ("key", "pitch", "written"),
    [
        (Key(0, "major"), 66, ("F", "1", "4")), (Key(5, "major"), 70, ("B", "-1", "4")),
        (Key(2, "minor"), 61, ("C", "1", "4")), (Key(6, "major"), 65, ("E", "1", "4")),
        (Key(1, "major"), 66, ("G", "-1", "4")), (Key(3, "minor"), 71, ("C", "-1", "5")),
        (Key(1, "minor"), 72, ("B", "1", "4")),
    ],
)  # fmt: skip
def test_notes_are_spelt_as_their_key_has_them(
    key: Key, pitch: int, written: tuple[str, str, str]
) -> None:
    passage = Passage("verse", 1, {"lead": (Note(pitch, 0, 4),)}, ())
    note = measures(musicxml(plan_of(passage, key), (passage,)), 0)[0].find("note/pitch")
    assert note is not None
    assert (text(note, "step"), text(note, "alter") or "0", text(note, "octave")) == written


def test_a_note_over_the_bar_is_tied() -> None:
    passage = Passage("verse", 2, {"lead": (Note(60, 3, 2.5),)}, (Chord(0, "maj7", 5, 3),))
    first, second = measures(musicxml(plan_of(passage), (passage,)), 0)

    assert [tie.get("type") for tie in first.iter("tie")] == ["start"]
    kinds = [tie.get("type") for tie in second.iter("tie")]
    assert kinds[0] == "stop"
    assert kinds.count("start") == kinds.count("stop") - 1
    assert first.find("harmony") is None
    assert text(second, "harmony/kind") == "major-seventh"


@given(st.lists(notes, max_size=20), st.lists(notes, max_size=20), st.lists(chords, max_size=6))
def test_every_bar_sums_whatever_is_written(
    lead: list[Note], bass: list[Note], harmony: list[Chord]
) -> None:
    passage = Passage("verse", 4, {"lead": tuple(lead), "bass": tuple(bass)}, tuple(harmony))
    document = musicxml(plan_of(passage), (passage, replace(passage, kind="chorus")))
    for part in (0, 1):
        bars = measures(document, part)
        assert len(bars) == 8
        for bar in bars:
            lengths = [Fraction(text(note, "duration")) for note in bar.findall("note")]
            assert sum(lengths) == 4 * BEATS
    found = measures(document, 0)
    assert sum(len(bar.findall("harmony")) for bar in found) == 2 * len(harmony)
