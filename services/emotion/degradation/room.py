"""A room around a voice.

The impulse response is noise that dies away exponentially: Polack's model of late reverberation, as
in Lebart, Boucher and Denbigh, "A new method based on spectral subtraction for speech
dereverberation", Acta Acustica 87 (2001).
"""

import numpy as np
from numpy.random import Generator
from scipy.signal import fftconvolve

from services.emotion.degradation.level import within
from services.emotion.engine import SAMPLE_RATE, Samples

#: A sound has died away when it is this much weaker, dB: what RT60 is named after.
_DECAY_DB = 60.0
#: Energy of the direct sound over that of its echoes, dB: a few metres from the microphone.
DIRECT_DB = 0.0


def impulse_response(rt60: float, random: Generator) -> Samples:
    """What a room answers to a clap, shape `(rt60 * 16 kHz,)`; sounds die away in `rt60` seconds.

    The direct sound comes first and is 1.
    """
    times = np.arange(max(2, int(rt60 * SAMPLE_RATE))) / SAMPLE_RATE
    tail = random.standard_normal(times.size) * 10 ** (-_DECAY_DB / 20 * times / rt60)
    tail[0] = 0.0
    tail *= np.sqrt(10 ** (-DIRECT_DB / 10) / np.sum(tail**2))
    tail[0] = 1.0
    return tail.astype(np.float32)


def reverberated(samples: Samples, rt60: float, random: Generator) -> Samples:
    """The voice in a room whose sounds die away in `rt60` seconds, as long as before."""
    if samples.size == 0:
        return samples
    echoed = fftconvolve(samples, impulse_response(rt60, random))[: samples.size]
    return within(np.asarray(echoed, np.float32))
