import numpy as np
import pytest
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE
from services.emotion.features import (
    LEVEL,
    SHORTEST_SECONDS,
    WINDOW_SECONDS,
    pooled,
    windows,
)


def tone(seconds: float, level: float = 0.1) -> NDArray[np.float32]:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * 220 * time)).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def rms(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def test_silence_around_speech_is_cut_off() -> None:
    [window] = windows(np.concatenate([silence(1), tone(1), silence(2)]))
    assert window.samples.size == pytest.approx(1.2 * SAMPLE_RATE, rel=0.01)
    assert window.weight == pytest.approx(1.0)


def test_loudness_does_not_matter() -> None:
    [quiet], [loud] = windows(tone(1, 0.01)), windows(tone(1, 0.9))
    assert rms(quiet.samples) == pytest.approx(LEVEL, rel=1e-3)
    np.testing.assert_allclose(quiet.samples, loud.samples, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 10, 399, 400, 401])
def test_a_blip_becomes_a_whole_window(samples: int) -> None:
    [window] = windows(np.full(samples, 0.5, np.float32))
    assert window.samples.size == SHORTEST_SECONDS * SAMPLE_RATE
    assert np.isfinite(window.samples).all()


@pytest.mark.parametrize("samples", [1, 16_000, 20 * SAMPLE_RATE])
def test_nothing_is_heard_in_silence(samples: int) -> None:
    assert windows(np.zeros(samples, np.float32)) == []


def test_a_long_clip_is_split_evenly_and_its_silent_parts_left_out() -> None:
    clip = np.concatenate([tone(8), silence(10), tone(2)])
    parts = windows(clip)
    assert len(parts) == 3
    assert all(part.samples.size <= WINDOW_SECONDS * SAMPLE_RATE for part in parts)
    assert sum(part.weight for part in parts) == pytest.approx(10, abs=0.1)
    assert len(windows(np.concatenate([tone(2), silence(20), tone(2)]))) == 2


def test_noise_before_and_after_speech_is_cut_off() -> None:
    random = np.random.default_rng(0)
    clip = np.concatenate([silence(1), tone(1), silence(2)])
    [window] = windows(clip + random.normal(scale=0.01, size=clip.size).astype(np.float32))
    assert window.samples.size == pytest.approx(1.2 * SAMPLE_RATE, rel=0.01)


def test_speech_that_is_never_quiet_is_not_taken_for_noise() -> None:
    random = np.random.default_rng(0)
    [window] = windows(random.normal(scale=0.1, size=2 * SAMPLE_RATE).astype(np.float32))
    assert window.samples.size == 2 * SAMPLE_RATE


def test_pooling_is_finite_and_of_known_length_for_any_number_of_frames() -> None:
    random = np.random.default_rng(0)
    for positions in (2, 3, 50):
        layers = random.normal(size=(2, positions, 5)).astype(np.float32)
        spectrum = random.normal(size=(2 * positions, 4)).astype(np.float32)
        vector = pooled(list(layers), spectrum)
        assert vector.shape == (2 * 5 * 5 + 8 * 4,)
        assert vector.dtype == np.float32
        assert np.isfinite(vector).all()
    np.testing.assert_allclose(vector[:5], layers[0].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(vector[30:35], layers[1].std(axis=0), rtol=1e-5)
