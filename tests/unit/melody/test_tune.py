"""A recording becomes a theme."""

import numpy as np
import pytest
from numpy.typing import NDArray

from services.melody.engine import TUNE_RATE
from services.melody.tune import Theme, theme
from services.melody.voice import Voice
from services.runtime.errors import InvalidRequest

TUNE = [(62, 0.5), (66, 0.5), (69, 1.0), (67, 0.5), (66, 0.5), (62, 1.0)]


def hummed(notes: list[tuple[int, float]]) -> NDArray[np.float32]:
    """A voice with overtones, notes `(MIDI number, seconds)`, a gap before each."""
    parts = []
    for pitch, seconds in notes:
        times = np.arange(int(seconds * TUNE_RATE)) / TUNE_RATE
        turns = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * times
        tone = sum(np.sin(turns * harmonic) / harmonic for harmonic in (1, 2, 3, 4))
        parts.append(0.2 * tone * (times < seconds - 0.06))
    return np.concatenate([np.zeros(3000), *parts]).astype(np.float32)


def test_the_notes_are_heard() -> None:
    found = theme(hummed(TUNE), tempo=120.0)
    assert [pitch for _, pitch, _ in found.notes] == [pitch for pitch, _ in TUNE]
    assert [at for at, _, _ in found.notes] == [0, 4, 8, 16, 20, 24]
    assert all(length >= 3 for _, _, length in found.notes)


def test_noise_does_not_hide_them() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, hummed(TUNE).size)
    found = theme(hummed(TUNE) + noise.astype(np.float32), tempo=120.0)
    assert [pitch for _, pitch, _ in found.notes] == [pitch for pitch, _ in TUNE]


@pytest.mark.parametrize(
    "tune",
    [
        np.zeros(TUNE_RATE, np.float32),
        np.zeros(10, np.float32),
        np.random.default_rng(0).normal(0, 0.1, 2 * TUNE_RATE).astype(np.float32),
    ],
)
def test_where_no_pitch_is_heard_it_says_so(tune: NDArray[np.float32]) -> None:
    with pytest.raises(InvalidRequest, match="sing or play") as refused:
        theme(tune, tempo=100.0)
    assert refused.value.param == "file"


def test_a_theme_is_moved_onto_the_scale() -> None:
    voice = Voice(64)
    Theme(((0, 62, 4), (4, 66, 4), (8, 69, 8))).give(voice, "major", sung=True)
    assert [pitch % 12 for pitch in voice.pitches] in ([0, 4, 7], [5, 9, 0], [7, 11, 2])
    Theme(((0, 62, 4), (60, 66, 8))).give(voice, "major", sung=False)
    assert voice.script is not None
    assert list(voice.script) == [0]
