"""How a voice sounds, without any network: pitch, its movement, loudness and timbre."""

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Samples

Floats = NDArray[np.float32]

#: Where a voice's pitch is looked for, Hz: low men to screams.
PITCHES = (60, 500)
#: Frames whose autocorrelation peaks higher than this are voiced.
VOICED = 0.45

_SIZE, _HOP = 1024, SAMPLE_RATE // 50
#: By how much a doubled period has to be the likelier: pitch is not to be heard an octave too low.
_OCTAVE_COST = 0.05
#: A change between two frames beyond this is a mistake of the tracker, semitones.
_JUMP = 3.0
_COEFFICIENTS = 20

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_PITCH_QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
#: How many numbers tell of pitch.
_OF_PITCH = 20


def tracked(samples: Samples) -> tuple[Floats, Floats, Floats]:
    """Pitch in Hz, strength of the voice 0 to 1, and log energy of frames 20 ms apart.

    Each of shape `(frames,)`. By the peak of the autocorrelation, each lag of which is divided by
    that of the window: Boersma, "Accurate short-term analysis of the fundamental frequency", 1993.
    """
    window = np.hanning(_SIZE).astype(np.float32)
    padded = np.pad(samples, _SIZE // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[::_HOP] * window
    power = np.abs(np.fft.rfft(frames, 2 * _SIZE, axis=1)) ** 2
    likeness = np.fft.irfft(power, axis=1)[:, :_SIZE]
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * _SIZE)) ** 2)[:_SIZE]
    likeness = likeness / (likeness[:, :1] + 1e-9) / (of_window / of_window[0] + 1e-3)
    lags = np.arange(SAMPLE_RATE // PITCHES[1], SAMPLE_RATE // PITCHES[0])
    likeness = likeness[:, lags]
    best = (likeness - _OCTAVE_COST * np.log2(lags / lags[0])).argmax(axis=1)
    strength = np.take_along_axis(likeness, best[:, np.newaxis], axis=1)[:, 0]
    energy = np.log(power.sum(axis=1) + 1e-9)
    return (
        (SAMPLE_RATE / lags[best]).astype(np.float32),
        strength.astype(np.float32),
        energy.astype(np.float32),
    )


def prosody(samples: Samples) -> Floats:
    """What the tracks of `tracked` come to, shape `(37,)`; zeros for the pitch of a whisper."""
    pitch, strength, energy = tracked(samples)
    voiced = strength > VOICED
    energy = energy - energy.max()
    told = [
        voiced.mean(),
        *_summary(strength),
        *_summary(energy),
        _deviation(np.diff(energy)),
        np.log(energy.size),
    ]
    # Four frames are the fewest that a line and its deviation can be told of.
    told += _of_pitch(pitch, strength, voiced) if voiced.sum() > 4 else [0.0] * _OF_PITCH
    return np.array(told, np.float32)


def timbre(spectrum: Floats) -> Floats:
    """How the shape of a log mel spectrum, `(frames, bands)`, is spread over time: `(140,)`.

    By cepstral coefficients: the discrete cosine transform of each frame.
    """
    bands = spectrum.shape[1]
    angles = np.pi * np.outer(np.arange(bands) + 0.5, np.arange(_COEFFICIENTS)) / bands
    basis = (np.cos(angles) * np.sqrt(2 / bands)).astype(np.float32)
    cepstrum = spectrum @ basis
    change = np.diff(cepstrum, axis=0)
    return np.concatenate(
        [
            cepstrum.mean(axis=0),
            cepstrum.std(axis=0),
            np.quantile(cepstrum, (0.1, 0.5, 0.9), axis=0).ravel(),
            change.std(axis=0),
            np.abs(change).mean(axis=0),
        ]
    ).astype(np.float32)


def _summary(track: Floats) -> list[float]:
    return [track.mean(), track.std(), *np.quantile(track, _QUANTILES)]


def _of_pitch(pitch: Floats, strength: Floats, voiced: NDArray[np.bool_]) -> list[float]:
    """In semitones above 100 Hz."""
    semitones = 12 * np.log2(pitch / 100)
    heard = semitones[voiced]
    quantiles = np.quantile(heard, _PITCH_QUANTILES)
    steps = np.diff(semitones)[voiced[1:] & voiced[:-1]]
    steps = steps[np.abs(steps) < _JUMP]
    if steps.size < 2:
        steps = np.zeros(2, np.float32)
    times = np.flatnonzero(voiced)
    slope = np.polyfit(times - times.mean(), heard, 1)[0] * semitones.size
    third = max(1, heard.size // 3)
    begins = np.diff(voiced.astype(np.int8)).clip(0).sum()
    return [
        *quantiles,
        heard.mean(),
        heard.std(),
        quantiles[-1] - quantiles[0],
        quantiles[4] - quantiles[2],
        steps.std(),
        np.abs(steps).mean(),
        steps.mean(),
        (steps > 0).mean(),
        slope,
        heard[:third].mean() - quantiles[3],
        heard[-third:].mean() - quantiles[3],
        strength[voiced].mean(),
        begins / semitones.size,
    ]


def _deviation(values: Floats) -> float:
    return float(values.std()) if values.size else 0.0
