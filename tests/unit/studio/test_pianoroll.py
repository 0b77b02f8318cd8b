"""Notes of a MIDI file, and the picture of them."""

import io
from xml.etree import ElementTree

import mido
import pytest

from services.studio.pianoroll import Note, Track, drawn, named, tracks_of

#: Ticks of a quarter note.
BEAT = 480
QUARTER = BEAT


def midi(*tracks: list[mido.Message | mido.MetaMessage]) -> bytes:
    file = mido.MidiFile(ticks_per_beat=BEAT)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def on(note: int, time: int = 0, **more: int) -> mido.Message:
    return mido.Message("note_on", note=note, time=time, **{"velocity": 64, **more})


def off(note: int, time: int = 0, **more: int) -> mido.Message:
    return mido.Message("note_off", note=note, time=time, **more)


def name(text: str) -> mido.MetaMessage:
    return mido.MetaMessage("track_name", name=text)


def tempo(microseconds: int, time: int = 0) -> mido.MetaMessage:
    return mido.MetaMessage("set_tempo", tempo=microseconds, time=time)


def test_notes_have_seconds_by_the_tempo_of_all_tracks() -> None:
    conductor = [tempo(500_000), tempo(1_000_000, 2 * QUARTER)]
    lead = [name("lead"), on(60), off(60, QUARTER), on(64, QUARTER), off(64, QUARTER)]
    (track,) = tracks_of(midi(conductor, lead))
    assert (track.name, track.drums) == ("lead", False)
    # From the third quarter on each takes a second.
    assert track.notes == (Note(0.0, 0.5, 60), Note(1.0, 2.0, 64))
    assert (track.lowest, track.highest) == ("C4", "E4")


def test_a_tempo_that_changes_within_a_note_counts_for_the_rest_of_it() -> None:
    (track,) = tracks_of(midi([tempo(1_000_000, QUARTER)], [on(60), off(60, 2 * QUARTER)]))
    assert track.notes == (Note(0.0, 1.5, 60),)


def test_a_silent_beginning_ends_a_note_and_equal_notes_end_in_their_order() -> None:
    lead = [on(60), on(60, QUARTER), on(60, QUARTER, velocity=0), off(60, QUARTER), off(60), on(1)]
    (track,) = tracks_of(midi(lead))
    assert track.notes == (Note(0.0, 1.0, 60), Note(0.5, 1.5, 60))


def test_tracks_without_notes_are_left_out_and_drums_are_known() -> None:
    drums = [name("drums"), on(36, channel=9), off(36, QUARTER, channel=9)]
    assert [track.drums for track in tracks_of(midi([tempo(500_000)], drums))] == [True]


@pytest.mark.parametrize("data", [b"", b"MThd", b"x" * 100, midi([on(60), off(60, 9)])[:-9]])
def test_what_is_no_midi_file_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="no MIDI file"):
        tracks_of(data)


def test_pitches_have_names() -> None:
    assert [named(pitch) for pitch in (0, 60, 61, 127)] == ["C-1", "C4", "C♯4", "G9"]


def test_the_picture_has_a_path_for_each_track_and_says_what_it_shows() -> None:
    tracks = [
        Track("lead", False, (Note(0.0, 1.0, 62), Note(1.0, 2.0, 60))),
        Track("drums", True, (Note(0.5, 0.51, 36),)),
    ]
    picture = ElementTree.fromstring(drawn(tracks, 4.0, 'Notes of "<script>"'))
    assert picture.attrib["role"] == "img"
    assert picture.attrib["aria-label"] == 'Notes of "<script>"'
    # Three rows of pitches, the highest above, and one of drums beneath.
    assert picture.attrib["viewBox"] == "0 0 400 40"
    lead, drums, playhead = picture
    assert lead.attrib == {"class": "track-0", "d": "M0 1h99v8h-99zM100 21h99v8h-99z"}
    assert drums.attrib["d"] == "M50 31h2v8h-2z"
    assert playhead.attrib["class"] == "playhead"


def test_a_song_without_notes_is_an_empty_picture() -> None:
    assert 'viewBox="0 0 100 10"' in drawn([], 0.0, "")
