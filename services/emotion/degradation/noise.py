"""Noise beside a voice, at a signal-to-noise ratio."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from services.emotion.degradation.level import within
from services.emotion.engine import Samples


def mixed(samples: Samples, noise: Samples, snr: float, random: Generator) -> Samples:
    """A voice with a stretch of `noise` behind it, `snr` dB below.

    The ratio is that of the mean powers over the whole clip, its pauses included. `noise`, shape
    `(n,)`, is repeated where it is too short, and starts anywhere. Where either is silent, nothing
    is added.
    """
    behind = _stretch(noise, samples.size, random)
    voice_power, noise_power = _power(samples), _power(behind)
    if voice_power == 0 or noise_power == 0:
        return samples
    scale = np.sqrt(voice_power / noise_power * 10 ** (-snr / 10))
    return within(samples + np.float32(scale) * behind)


def white(size: int, random: Generator) -> Samples:
    """Noise that is equally strong at every frequency, shape `(size,)`."""
    return random.standard_normal(size, np.float32)


def babble(voices: Sequence[Samples], size: int, random: Generator, talkers: int = 6) -> Samples:
    """Several of `voices` at once, each as loud as the others, shape `(size,)`."""
    chosen = random.choice(len(voices), talkers, replace=talkers > len(voices))
    together = np.zeros(size, np.float32)
    for at in chosen:
        voice = _stretch(voices[at], size, random)
        if power := _power(voice):
            together += voice / np.float32(np.sqrt(power))
    return together


def _stretch(sound: Samples, size: int, random: Generator) -> Samples:
    if sound.size == 0:
        return np.zeros(size, np.float32)
    start = int(random.integers(sound.size))
    return np.take(sound, np.arange(start, start + size), mode="wrap")


def _power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
