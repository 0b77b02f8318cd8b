import numpy as np
import pytest
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE
from services.emotion.prosody import VOICED, prosody, timbre, tracked


def buzz(pitch: float | NDArray[np.float64], seconds: float = 1.0) -> NDArray[np.float32]:
    """Harmonics of a pitch, as a throat makes them."""
    times = np.arange(int(seconds * SAMPLE_RATE))
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch, times.shape)) / SAMPLE_RATE
    harmonics = [np.sin(n * phase) / n for n in range(1, 10)]
    return np.asarray(0.1 * np.sum(harmonics, axis=0), np.float32)


@pytest.mark.parametrize("pitch", [80, 120, 210, 350, 450])
def test_pitch_is_heard_and_not_an_octave_off(pitch: float) -> None:
    heard, strength, energy = tracked(buzz(pitch))
    inner = slice(3, -3)
    np.testing.assert_allclose(heard[inner], pitch, rtol=0.02)
    assert (strength[inner] > 0.9).all()
    assert heard.shape == strength.shape == energy.shape == (51,)


def test_noise_is_not_voiced() -> None:
    random = np.random.default_rng(0)
    _, strength, _ = tracked(random.normal(size=SAMPLE_RATE).astype(np.float32))
    assert (strength > VOICED).mean() < 0.05


def test_a_rising_voice_is_told_from_a_falling_one() -> None:
    rising = np.linspace(120, 240, SAMPLE_RATE)
    up, down = prosody(buzz(rising)), prosody(buzz(rising[::-1]))
    slope = 32
    assert up[slope] == pytest.approx(12, abs=2)
    assert down[slope] == pytest.approx(-12, abs=2)


@pytest.mark.parametrize("samples", [8_000, 16_000, 128_000])
def test_any_window_comes_to_finite_numbers(samples: int) -> None:
    random = np.random.default_rng(0)
    for window in (np.zeros(samples, np.float32), random.normal(size=samples).astype(np.float32)):
        assert prosody(window).shape == (37,)
        assert np.isfinite(prosody(window)).all()


def test_timbre_is_of_known_length_and_its_mean_a_cosine_transform() -> None:
    flat = np.ones((7, 80), np.float32)
    told = timbre(flat)
    assert told.shape == (140,)
    assert told[0] == pytest.approx(np.sqrt(2 / 80) * 80, rel=1e-4)
    np.testing.assert_allclose(told[1:20], 0, atol=1e-4)
