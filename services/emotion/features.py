"""From samples to the windows that are classified, and from frames to one vector a window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Samples

Frames = NDArray[np.float32]

#: Length of a window at most, seconds: about what the head has seen in training.
WINDOW_SECONDS = 8.0
#: Shorter windows are lengthened with silence, seconds: the encoder needs some frames to look at.
SHORTEST_SECONDS = 0.5
#: Frames this far below the loudest one are not speech, dB.
RANGE_DB = 35.0
#: In noise the quietest frames hold nothing but noise, and what is less than this much louder is no
#: speech either, dB; but nothing is taken for noise that is nearer to the loudest frame than the
#: second of these.
ABOVE_NOISE_DB, NOISE_RANGE_DB = 6.0, 12.0
#: A clip whose loudest frame is weaker holds nothing, root mean square with full scale at 1.
SILENCE = 1e-4
#: What every window is brought to, root mean square: how near the microphone was tells nothing.
LEVEL = 0.05

_FRAME = SAMPLE_RATE // 40
#: Frames kept before the first and after the last loud one.
_MARGIN = 4

#: Which of the frames, from the quietest, is as loud as the noise.
_NOISE_QUANTILE = 0.1
_SPECTRUM_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Encoder(Protocol):
    """What turns a window of speech into the vector that a head reads."""

    reads: str
    """What the numbers of a vector are: a head fits the encoder that it was trained on."""

    def features(self, window: Samples) -> NDArray[np.float32]:
        """Shape `(features,)`. Windows are as `windows` makes them."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of speech, trimmed and levelled, and its weight: how much of it sounds, seconds."""

    samples: Samples
    weight: float


def windows(samples: Samples) -> list[Window]:
    """The stretches of a clip to classify, equally long before silence is trimmed off.

    Empty where nothing sounds. `samples` has shape `(samples,)`, of any length.
    """
    frames = max(1, -(-samples.size // _FRAME))
    framed = np.pad(samples, (0, frames * _FRAME - samples.size)).reshape(frames, _FRAME)
    # Summed in doubles, but not copied to doubles first: a long recording is large enough once.
    level = np.sqrt(np.einsum("ij,ij->i", framed, framed, dtype=np.float64) / _FRAME)
    if level.max() < SILENCE:
        return []
    loud = level > _threshold(level)
    count = -(-frames // int(WINDOW_SECONDS * SAMPLE_RATE / _FRAME))
    return [
        _window(framed[part], loud[part])
        for part in np.array_split(np.arange(frames), count)
        if loud[part].any()
    ]


def _threshold(level: NDArray[np.float64]) -> float:
    """How loud speech is at least, from the levels of all frames."""
    noise = float(np.quantile(level, _NOISE_QUANTILE)) * 10 ** (ABOVE_NOISE_DB / 20)
    peak = float(level.max())
    return max(
        peak * 10 ** (-RANGE_DB / 20),
        min(noise, peak * 10 ** (-NOISE_RANGE_DB / 20)),
    )


def _window(framed: NDArray[np.float32], loud: NDArray[np.bool_]) -> Window:
    at = np.flatnonzero(loud)
    kept = framed[max(0, at[0] - _MARGIN) : at[-1] + 1 + _MARGIN].ravel()
    level = np.sqrt(np.mean(np.square(kept, dtype=np.float64)))
    levelled = (kept * (LEVEL / level)).astype(np.float32)
    short = int(SHORTEST_SECONDS * SAMPLE_RATE) - levelled.size
    if short > 0:
        levelled = np.pad(levelled, (short // 2, short - short // 2))
    return Window(levelled, at.size * _FRAME / SAMPLE_RATE)


def pooled(layers: Sequence[Frames], spectrum: Frames) -> NDArray[np.float32]:
    """One vector for a window: how each channel of an encoder's layers is spread over time.

    `layers` have shape `(positions, channels)`, `spectrum` `(frames, bands)` in log energy; the
    result `(5 * channels * layers + 8 * bands,)`.
    """
    parts = [statistic for layer in layers for statistic in _spread(layer)]
    return np.concatenate([*parts, spectrum_spread(spectrum)]).astype(np.float32)


def spectrum_spread(spectrum: Frames) -> NDArray[np.float32]:
    """How each band of a spectrum, shape `(frames, bands)`, is spread over time: `(8 * bands,)`."""
    return np.concatenate(
        [
            spectrum.mean(axis=0),
            spectrum.std(axis=0),
            np.quantile(spectrum, _SPECTRUM_QUANTILES, axis=0).ravel(),
            _change(spectrum),
        ]
    ).astype(np.float32)


def _spread(frames: Frames) -> list[Frames]:
    return [
        frames.mean(axis=0),
        frames.std(axis=0),
        frames.max(axis=0),
        frames.min(axis=0),
        _change(frames),
    ]


def _change(frames: Frames) -> Frames:
    return np.asarray(np.diff(frames, axis=0).std(axis=0))
