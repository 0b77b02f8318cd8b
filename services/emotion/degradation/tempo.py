"""A recording that is played faster or slower.

Pitch changes with it: Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
"""

import numpy as np
import soxr

from services.emotion.engine import SAMPLE_RATE, Samples


def played(samples: Samples, speed: float) -> Samples:
    """Played `speed` times as fast, and so as much shorter and higher."""
    return np.asarray(soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE), np.float32)
