import math

import numpy as np
import pytest
from scipy.signal import resample_poly

from services.runtime.loudness import loudness
from services.song.mixing import RATE, Samples, mixed

SECONDS = 8


def music(level: float = 0.1) -> Samples:
    time = np.arange(SECONDS * RATE) / RATE
    beat = 0.5 + 0.5 * np.cos(2 * np.pi * 2 * time)
    left = sum(np.sin(2 * np.pi * pitch * time) for pitch in (110, 220, 331, 440))
    right = sum(np.sin(2 * np.pi * pitch * time) for pitch in (110, 277, 330, 554))
    both = level * beat[:, None] * np.stack([left, right], axis=1)
    return np.asarray(both, np.float32)


def voice(start: float, end: float, level: float = 0.3) -> Samples:
    """A tone at 1,500 Hz, where the music has nothing."""
    time = np.arange(SECONDS * RATE) / RATE
    sings = (time >= start) & (time < end)
    return np.asarray(level * sings * np.sin(2 * np.pi * 1500 * time), np.float32)


def power(samples: Samples, pitch: float, start: float, end: float) -> float:
    """Of one pitch in one stretch of the left channel, dB."""
    part = samples[round(start * RATE) : round(end * RATE), 0]
    time = np.arange(len(part)) / RATE
    return 20 * math.log10(abs(np.mean(part * np.exp(-2j * np.pi * pitch * time))) + 1e-9)


@pytest.mark.parametrize("level", [0.001, 0.05, 0.25])
@pytest.mark.parametrize("vocals", [None, voice(2, 6), voice(0, 8, 0.01), voice(0, 0)])
def test_mixes_are_as_loud_as_promised_and_do_not_clip(
    level: float, vocals: Samples | None
) -> None:
    backing = music(level)
    song = mixed(backing, vocals)
    assert song.shape == backing.shape
    assert song.dtype == np.float32
    assert loudness(song, RATE) == pytest.approx(-14, abs=0.5)
    assert np.abs(resample_poly(song, 8, 1, axis=0)).max() < 10 ** (-1 / 20)


def test_the_voice_stands_in_front_and_the_music_steps_back() -> None:
    song = mixed(music(), voice(3, 6))
    assert power(song, 220, 3.5, 5.5) < power(song, 220, 0.5, 2.5) - 2.5
    assert power(song, 1500, 3.5, 5.5) > power(song, 220, 3.5, 5.5)


def test_a_voice_is_as_far_in_front_however_loud_it_was() -> None:
    loud, quiet = (mixed(music(), voice(3, 6, level)) for level in (0.9, 0.01))
    assert np.abs(loud - quiet).max() < 1e-3


def test_the_room_answers_when_the_voice_has_ended() -> None:
    song = mixed(music(), voice(3, 5))
    late = power(song, 1500, 5.1, 5.3)
    assert power(song, 1500, 4.0, 4.8) - 40 < late < power(song, 1500, 4.0, 4.8) - 10
    assert power(song, 1500, 7.0, 7.5) < late - 15


@pytest.mark.parametrize("length", [0, 1, RATE, 20 * RATE])
def test_the_mix_is_as_long_as_the_music(length: int) -> None:
    vocals = np.resize(voice(0, 8), length).astype(np.float32)
    assert mixed(music(), vocals).shape == (SECONDS * RATE, 2)


def test_what_is_no_number_is_silence() -> None:
    vocals = voice(2, 6)
    vocals[RATE * 3 : RATE * 3 + 100] = np.nan
    vocals[RATE * 4] = np.inf
    assert np.isfinite(mixed(music(), vocals)).all()


def test_silent_music_lets_the_voice_alone() -> None:
    song = mixed(np.zeros((SECONDS * RATE, 2), np.float32), voice(2, 6))
    assert loudness(song, RATE) == pytest.approx(-14, abs=0.5)


def test_nothing_at_all_stays_nothing() -> None:
    silence = np.zeros((RATE, 2), np.float32)
    assert not mixed(silence, silence[:, 0]).any()
    assert mixed(silence[:0], silence[:0, 0]).shape == (0, 2)


def test_equal_songs_have_equal_mixes() -> None:
    assert np.array_equal(mixed(music(), voice(2, 6)), mixed(music(), voice(2, 6)))
