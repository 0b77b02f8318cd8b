import itertools

import numpy as np
import pytest

from services.runtime.worker import Cancellation
from services.song.singing import Note, loudness, melody, times
from services.song.syllable_times import Vowel, vowels
from services.song.vocals import SUNG_RATE, Line, sing
from services.song.voice import FRAME_MS, RATE, Samples, analysed

FRAME = FRAME_MS / 1000


def syllables(count: int, pitch: float = 110.0, seconds: float = 0.2) -> Samples:
    """A buzz with formants that comes and goes, `count` times, between pauses of 0.1 s."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(
        np.sin(2 * np.pi * pitch * harmonic * time) / (1 + abs(harmonic * pitch - 600) / 300)
        for harmonic in range(1, 30)
    )
    one = 0.15 * buzz * np.hanning(len(time))
    pause = 1e-4 * np.random.default_rng(1).standard_normal(RATE // 10)
    return np.concatenate([np.append(pause, one)] * count + [pause]).astype(np.float32)


def scale(count: int, start: float = 1.0, length: float = 0.5) -> list[Note]:
    """A scale of whole tones from C upwards."""
    return [
        Note(60 + 2 * at, start + at * length, start + (at + 1) * length) for at in range(count)
    ]


def sung(lines: list[Line], seconds: float = 8.0) -> Samples:
    return sing(lines, seconds, Cancellation())


def loud_seconds(song: Samples) -> np.ndarray:
    return np.flatnonzero(np.abs(song) > 0.02) / SUNG_RATE


def heard_pitch(song: Samples, start: float, end: float) -> float:
    """By autocorrelation, Hz."""
    part = song[round(start * SUNG_RATE) : round(end * SUNG_RATE)].astype(np.float64)
    power = np.abs(np.fft.rfft(part, 4 * len(part))) ** 2
    correlation = np.fft.irfft(power)
    shortest, longest = SUNG_RATE // 500, SUNG_RATE // 70
    return SUNG_RATE / (shortest + int(correlation[shortest:longest].argmax()))


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_as_many_vowels_are_found_as_there_are(count: int) -> None:
    sonorous = np.concatenate([np.zeros(20), np.hanning(40)] * count + [np.zeros(20)])
    found = vowels(sonorous, count)
    centres = [(vowel.start + vowel.end) / 2 for vowel in found]
    assert centres == pytest.approx([40 + 60 * at for at in range(count)], abs=4)


@pytest.mark.parametrize("count", [1, 3, 7, 15, 40])
def test_the_notes_say_how_many_syllables_there_are(count: int) -> None:
    sonorous = np.concatenate([np.zeros(20), np.hanning(60)] * 4)
    found = vowels(sonorous, count)
    assert len(found) == count
    for one, other in itertools.pairwise(found):
        assert one.syllable <= one.start < one.end <= other.syllable <= other.start


@pytest.mark.parametrize("sonorous", [np.zeros(0), np.zeros(200), np.ones(5)])
def test_where_there_are_no_vowels_none_are_found(sonorous: np.ndarray) -> None:
    assert vowels(sonorous, 4) == []


def test_vowels_begin_with_their_notes_and_consonants_keep_their_length() -> None:
    spoken = [Vowel(0, 10, 30), Vowel(36, 44, 60), Vowel(66, 70, 90)]
    knots = times(spoken, scale(3), 100, FRAME)
    assert knots.vowels == pytest.approx([1.0, 1.5, 2.0])
    assert knots.sung[0] == pytest.approx(1.0 - 10 * FRAME)
    assert knots.sung[5] - knots.sung[2] == pytest.approx((44 - 30) * FRAME)
    assert knots.sung[-1] == pytest.approx(2.5 + 10 * FRAME)


def test_short_notes_make_a_line_late_not_unintelligible() -> None:
    spoken = [Vowel(0, 10, 30), Vowel(36, 44, 60), Vowel(66, 70, 90)]
    knots = times(spoken, scale(3, length=0.05), 100, FRAME)
    length = knots.sung[-1] - knots.sung[0]
    assert 0.8 * 100 * FRAME <= length < 1.01 * 100 * FRAME
    assert (np.diff(knots.sung) >= 0).all()


def test_a_line_that_must_end_is_hurried() -> None:
    spoken = [Vowel(0, 10, 30), Vowel(36, 44, 60)]
    knots = times(spoken, scale(2), 70, FRAME)
    assert knots.ended_by(1.8, 0.6).sung[-1] == pytest.approx(1.8)
    assert knots.ended_by(9.0, 0.6).sung[-1] == knots.sung[-1]
    assert knots.ended_by(0.0, 0.6).sung[-1] > 1.3


def test_where_the_melody_rests_so_does_the_voice() -> None:
    spoken = [Vowel(0, 10, 30), Vowel(36, 44, 60)]
    knots = times(spoken, [Note(60, 1.0, 1.5), Note(62, 3.0, 3.5)], 70, FRAME)
    assert knots.vowels == pytest.approx([1.0, 3.0])
    assert loudness(knots, np.asarray([1.2, 2.0, 2.8, 3.1])) == pytest.approx([1, 0, 0, 1])


def test_the_voice_is_on_each_note_and_glides_between() -> None:
    notes = scale(3)
    starts = np.asarray([note.start for note in notes])
    assert melody(notes, starts, starts + 0.1) == pytest.approx([60, 62, 64])
    (between,) = melody(notes, starts, np.asarray([1.49]))
    assert 60 < between < 62


def test_long_notes_tremble_and_short_ones_do_not() -> None:
    (note,) = scale(1, length=2.0)
    early, late = (np.arange(start, start + 0.3, 0.005) for start in (1.0, 2.2))
    assert np.ptp(melody([note], np.asarray([1.0]), early)) < 0.01
    assert 0.4 < np.ptp(melody([note], np.asarray([1.0]), late)) < 0.7


def test_syllables_are_sung_on_the_pitches_of_their_notes() -> None:
    song = sung([Line(scale(4), syllables(4))])
    for note in scale(4):
        wanted = 440 * 2 ** ((note.pitch - 12 - 69) / 12)
        found = heard_pitch(song, note.start + 0.08, note.start + 0.3)
        assert found == pytest.approx(wanted, rel=0.02)


def test_the_song_is_as_long_as_asked_and_within_full_scale() -> None:
    song = sung([Line(scale(4), syllables(4))], 5.4321)
    assert song.shape == (round(5.4321 * SUNG_RATE),)
    assert song.dtype == np.float32
    assert 0.05 < np.abs(song).max() <= 1.0


def test_a_line_is_heard_from_its_first_note_to_its_last() -> None:
    heard = loud_seconds(sung([Line(scale(4), syllables(4))]))
    assert heard.min() == pytest.approx(1.0, abs=0.15)
    assert 2.7 < heard.max() < 3.3


def test_all_lines_are_transposed_alike() -> None:
    high = [Note(72, 3.0, 3.5)]
    song = sung([Line(scale(2), syllables(2)), Line(high, syllables(1))])
    first, second = heard_pitch(song, 1.1, 1.3), heard_pitch(song, 3.1, 3.3)
    assert second == pytest.approx(2 * first, rel=0.03)


@pytest.mark.parametrize("level", [0.01, 1.0])
def test_lines_are_as_loud_however_they_were_spoken(level: float) -> None:
    song = sung([Line(scale(3), np.float32(level) * syllables(3))])
    power = np.square(song[SUNG_RATE : round(2.4 * SUNG_RATE)]).mean()
    assert 0.03 < np.sqrt(power) < 0.2


@pytest.mark.parametrize(
    "spoken",
    [
        np.zeros(0, np.float32),
        np.zeros(1, np.float32),
        np.zeros(RATE, np.float32),
        np.full(RATE, np.nan, np.float32),
        np.full(RATE, np.inf, np.float32),
        np.ones(RATE, np.float32),
        np.eye(1, RATE, RATE // 2, dtype=np.float32)[0],
    ],
    ids=["nothing", "a sample", "silence", "nan", "infinite", "constant", "a click"],
)
def test_what_cannot_be_sung_breaks_nothing(spoken: Samples) -> None:
    song = sung([Line(scale(3), spoken), Line(scale(2, start=4.0), syllables(2))])
    assert np.isfinite(song).all()
    assert (np.abs(song[4 * SUNG_RATE :]) > 0.02).any()


def test_a_whisper_is_spoken_where_its_line_starts() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32) * 0.1
    assert analysed(noise) is None
    heard = loud_seconds(sung([Line(scale(3), noise)]))
    assert heard.min() == pytest.approx(1.0, abs=0.01)
    assert heard.max() == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("start", [-0.5, 0.0, 7.9, 20.0])
def test_what_lies_outside_the_song_is_cut_off(start: float) -> None:
    song = sung([Line(scale(3, start=start), syllables(3))])
    assert song.shape == (8 * SUNG_RATE,)
    assert np.isfinite(song).all()


def test_more_syllables_than_were_spoken_are_sung_all_the_same() -> None:
    heard = loud_seconds(sung([Line(scale(12, length=0.2), syllables(3))]))
    assert heard.max() > 2.5


def test_without_lines_or_notes_the_guide_is_silent() -> None:
    assert not sung([]).any()
    assert not sung([Line([], syllables(3))]).any()
    assert sung([Line(scale(3), syllables(3))], 0.0).shape == (0,)


def test_nobody_sings_for_who_has_left() -> None:
    cancelled = Cancellation()
    cancelled.set()
    assert not sing([Line(scale(3), syllables(3))], 8.0, cancelled).any()


def test_equal_lines_give_equal_guides() -> None:
    lines = [Line(scale(4), syllables(4))]
    assert np.array_equal(sung(lines), sung(lines))
