"""Noise beside a voice, at a signal-to-noise ratio.

The voice's level is its level while it speaks, as in ITU-T P.56 but simpler: frames near the
loudest one count. Otherwise the same voice would get more noise the less silence surrounds it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from services.emotion.degradation.level import within
from services.emotion.engine import SAMPLE_RATE, Samples

#: Frames of this length, samples, count as speech unless they are this far below the loudest, dB.
_FRAME = SAMPLE_RATE // 40
_RANGE_DB = 35.0


def mixed(samples: Samples, noise: Samples, snr: float, random: Generator) -> Samples:
    """A voice with a stretch of `noise` behind it, `snr` dB below the voice while it speaks.

    `noise`, shape `(n,)`, is repeated where it is too short, and starts anywhere. Where either is
    silent, nothing is added.
    """
    behind = _stretch(noise, samples.size, random)
    voice_power, noise_power = speaking_power(samples), _power(behind)
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


def speaking_power(samples: Samples) -> float:
    """The mean square of a voice over the frames in which it speaks; 0 for silence."""
    whole = samples.size // _FRAME * _FRAME
    if not whole:
        return _power(samples)
    framed = samples[:whole].reshape(-1, _FRAME)
    powers = np.mean(np.square(framed, dtype=np.float64), axis=1)
    return float(powers[powers >= powers.max() * 10 ** (-_RANGE_DB / 10)].mean())


def _stretch(sound: Samples, size: int, random: Generator) -> Samples:
    if sound.size == 0:
        return np.zeros(size, np.float32)
    start = int(random.integers(sound.size))
    return np.take(sound, np.arange(start, start + size), mode="wrap")


def _power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64))) if samples.size else 0.0
