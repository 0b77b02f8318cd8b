"""Loudness: as pyloudnorm's meter hears it, on target, and nowhere above full scale."""

import numpy as np
import pyloudnorm
import pytest
from scipy.signal import resample_poly

from services.runtime.loudness import TARGET, Meter, Normaliser, Samples, loudness, normalised

RATE = 32_000


def music(seconds: float, level: float = 0.1, channels: int = 2, seed: int = 0) -> Samples:
    """Chords, noise, and two hits a second that stand out by 12 dB or more."""
    draw = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    tones = np.sin(2 * np.pi * np.outer(times, [110, 220, 331, 887]) + draw.random(4)).sum(axis=1)
    hits = 5 * np.exp(-14 * (2 * times % 1)) * draw.standard_normal(len(times))
    noise = 0.3 * draw.standard_normal((len(times), channels))
    return np.asarray(level / 4 * ((tones + hits)[:, None] + noise), np.float32)


def true_peak(samples: Samples) -> float:
    """In dB, over eight times as many samples."""
    return float(20 * np.log10(np.abs(resample_poly(samples, 8, 1, axis=0)).max()))


def sent(samples: Samples, step: int) -> Samples:
    stream = Normaliser(RATE, samples.shape[1])
    parts = [stream.feed(samples[at : at + step]) for at in range(0, len(samples), step)]
    return np.concatenate([*parts, stream.finish()])


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("step", [777, 10**6])
def test_the_meter_reads_what_pyloudnorm_reads(channels: int, step: int) -> None:
    samples = np.concatenate([music(4, channels=channels), music(4, 0.005, channels)])
    meter = Meter(RATE, channels)
    for at in range(0, len(samples), step):
        meter.feed(samples[at : at + step])

    reference = pyloudnorm.Meter(RATE).integrated_loudness(samples)
    assert meter.loudness == pytest.approx(reference, abs=0.05)
    assert loudness(samples, RATE) == pytest.approx(reference, abs=0.05)


@pytest.mark.parametrize("level", [0.001, 0.1, 10.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_whole_piece_is_brought_to_the_target_without_clipping(
    level: float, channels: int
) -> None:
    samples = music(6, level, channels)
    result = normalised(samples, RATE)

    assert result.shape == samples.shape
    assert result.dtype == np.float32
    assert pyloudnorm.Meter(RATE).integrated_loudness(result) == pytest.approx(TARGET, abs=0.5)
    assert true_peak(result) < -1


def test_another_target_can_be_had() -> None:
    assert loudness(normalised(music(4), RATE, -23.0), RATE) == pytest.approx(-23, abs=0.5)


@pytest.mark.parametrize("step", [0.25, 4.0, 100.0])
@pytest.mark.parametrize(
    "levels", [(1.0, 1.0, 1.0), (0.3, 1.0, 1.0), (0.5, 1.0, 0.5), (1.0, 0.4, 1.0), (0.0, 1.0, 1.0)]
)
def test_a_stream_is_brought_to_the_target_without_clipping(
    levels: tuple[float, ...], step: float
) -> None:
    samples = np.concatenate([music(4, 0.2 * level, seed=at) for at, level in enumerate(levels)])
    result = sent(samples, round(step * RATE))

    assert result.shape == samples.shape
    assert pyloudnorm.Meter(RATE).integrated_loudness(result) == pytest.approx(TARGET, abs=1)
    assert true_peak(result) < -1


def test_a_stream_is_sent_while_it_is_made() -> None:
    assert len(Normaliser(RATE, 2).feed(music(1))) > 0.98 * RATE


def test_a_peak_between_two_samples_is_seen() -> None:
    # A quarter of the sampling rate, sampled where it is at 0.71 of its height.
    samples = np.sin(np.pi / 2 * np.arange(RATE) + np.pi / 4)[:, None].astype(np.float32)
    assert true_peak(normalised(samples, RATE, target=0.0)) < -1


def test_the_ramp_is_the_gain_that_was_applied() -> None:
    stream = Normaliser(RATE, 2, target=-40.0)
    fed, given, sent = [music(4, 0.01), music(4, 0.02)], [], []
    for part in fed:
        sent.append(stream.feed(part))
        given.append(stream.ramp.applied(part))
    result = np.concatenate([*sent, stream.finish()])

    assert stream.ramp.first > stream.ramp.last
    assert np.allclose(result, np.concatenate(given), atol=1e-6)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((0, 2)), np.zeros((RATE, 2)), np.zeros((100, 1)), np.ones((1, 2)),
        music(0.02), music(0.39, 4.0), np.full((RATE, 2), np.nan), np.full((RATE, 1), np.inf),
    ],
)  # fmt: skip
def test_silence_scraps_and_what_is_no_sound_pass(samples: Samples) -> None:
    samples = samples.astype(np.float32)
    for result in (normalised(samples, RATE), sent(samples, 500)):
        assert result.shape == samples.shape
        assert np.isfinite(result).all()
        assert np.abs(result).max(initial=0) < 1
