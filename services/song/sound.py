"""The sound that steps leave to one another: FLAC at 44.1 kHz."""

import io

import av
import numpy as np
from numpy.typing import NDArray

#: Samples per second.
RATE = 44_100

Samples = NDArray[np.float32]


def read(flac: bytes, channels: int) -> Samples:
    """A whole file of ours, shape `(samples,)` of one channel, `(samples, 2)` of two.

    float32, full scale at 1, at `RATE`. A file of one channel can be read as two, alike.
    """
    resampler = av.AudioResampler("flt", {1: "mono", 2: "stereo"}[channels], RATE)
    parts: list[Samples] = []
    with av.open(io.BytesIO(flac), "r") as container:
        for frame in (*container.decode(audio=0), None):
            for part in resampler.resample(frame):
                parts.append(part.to_ndarray().ravel().astype(np.float32, copy=False))
    samples = np.concatenate(parts)
    return samples if channels == 1 else samples.reshape(-1, channels)
