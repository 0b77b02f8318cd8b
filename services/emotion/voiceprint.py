"""What a speaker encoder reads: the mel spectrogram of a voice, in NumPy alone."""

import functools

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Samples

Floats = NDArray[np.float32]

#: Samples of a frame and between two, and mel bands.
_FRAME, _HOP, BANDS = SAMPLE_RATE * 25 // 1000, SAMPLE_RATE // 100, 40
#: Frames that the encoder was trained on, 1.6 s.
FRAMES = 160
#: What a window is brought to at least, root mean square with full scale at 1: -30 dB.
_LEVEL = 10 ** (-30 / 20)


def spectrum(window: Samples) -> Floats:
    """The power mel spectrogram of a window, shape `(FRAMES, BANDS)`.

    As librosa makes it with its defaults (Slaney's bands and their areas, frames centred on their
    times), which is what the encoder was trained on. A window shorter than 1.6 s is filled up with
    silence, and what is longer is left out.
    """
    level = np.sqrt(np.mean(np.square(window, dtype=np.float64)))
    gain = max(1.0, _LEVEL / level) if level > 0 else 1.0
    needed = (FRAMES - 1) * _HOP + _FRAME
    padded = np.zeros(needed, np.float32)
    kept = window[: needed - _FRAME // 2]
    padded[_FRAME // 2 : _FRAME // 2 + kept.size] = kept * gain
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    # A Hann window for spectra: its last zero is left out.
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME + 1)[:-1], axis=1)) ** 2
    return np.asarray(power @ _filters().T, np.float32)


@functools.cache
def _filters() -> NDArray[np.float64]:
    """Triangles of equal area on Slaney's mel scale, shape `(BANDS, bins)`."""
    bins = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)
    edges = _hertz(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), BANDS + 2))
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low))


#: Slaney's scale: 200/3 Hz a mel up to 1 kHz, from there on 27 mel for a factor of 6.4.
_LINEAR, _BREAK, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _mel(hertz: float) -> float:
    if hertz < _BREAK:
        return hertz / _LINEAR
    return float(_BREAK / _LINEAR + np.log(hertz / _BREAK) / _STEP)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _BREAK / _LINEAR
    above = _BREAK * np.exp(_STEP * (mel - knee))
    return np.where(mel < knee, mel * _LINEAR, above)
