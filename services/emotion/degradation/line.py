"""A telephone line: a narrow band, half the rate, eight bits."""

import numpy as np
import soxr
from scipy.signal import butter, sosfilt

from services.emotion.engine import SAMPLE_RATE, Samples

#: What a telephone carries, Hz, and its rate.
BAND = (300, 3400)
RATE = 8_000
#: ITU-T G.711, as in North America and Japan.
_MU = 255.0
_LEVELS = 128
_FILTER = butter(4, BAND, "bandpass", fs=SAMPLE_RATE, output="sos")


def telephone(samples: Samples) -> Samples:
    """The voice as over a telephone: 300 to 3400 Hz, 8 kHz, mu-law; as long as before."""
    if samples.size == 0:
        return samples
    narrow = soxr.resample(sosfilt(_FILTER, samples), SAMPLE_RATE, RATE).clip(-1, 1)
    companded = np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU)
    coded = np.round(companded * (_LEVELS - 1)) / (_LEVELS - 1)
    heard = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU
    wide = np.asarray(soxr.resample(heard, RATE, SAMPLE_RATE), np.float32)
    return np.pad(wide, (0, max(0, samples.size - wide.size)))[: samples.size].clip(-1, 1)
