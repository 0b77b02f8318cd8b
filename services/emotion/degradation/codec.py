"""A voice after a codec that keeps little: encoded and decoded again in memory."""

import io

import numpy as np

from services.emotion.engine import SAMPLE_RATE, Samples
from services.runtime.audio import AudioLimits, decode
from services.runtime.encode import AudioFormat, encoded

#: What a codec may cost, bits per second.
MP3_BIT_RATE = 32_000
OPUS_BIT_RATE = 12_000


def mp3(samples: Samples, bit_rate: int = MP3_BIT_RATE) -> Samples:
    """The voice as an mp3 file keeps it, as long as before."""
    return _through("mp3", samples, bit_rate)


def opus(samples: Samples, bit_rate: int = OPUS_BIT_RATE) -> Samples:
    """The voice as a call over the internet carries it, as long as before."""
    return _through("opus", samples, bit_rate)


def _through(format: AudioFormat, samples: Samples, bit_rate: int) -> Samples:
    if samples.size == 0:
        return samples
    file = io.BytesIO(encoded(samples, format, SAMPLE_RATE, bit_rate=bit_rate))
    heard = decode(file, SAMPLE_RATE, AudioLimits(max_seconds=samples.size / SAMPLE_RATE + 10))
    return np.pad(heard, (0, max(0, samples.size - heard.size)))[: samples.size]
