"""Puts a voice in front of music: music steps back while it sings, both in one room."""

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, oaconvolve, sosfilt

from services.runtime.loudness import loudness, normalised

#: Sound, float32, full scale at 1: music has the shape `(samples, 2)`, a voice `(samples,)`.
Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

#: Samples per second.
RATE = 44100

#: How much louder than the music the voice is, dB (LU).
_IN_FRONT = 2.0
#: What the music steps back by under the voice, dB.
_DUCK = 3.5
#: Seconds over which it steps back and comes again, half before and half after the voice: nothing
#: here happens while it is heard, so the music may know what comes.
_DUCKING = 0.5
#: What is so much quieter than the voice as a whole is a pause of it, dB.
_PAUSE = 30.0
#: Seconds in which the room falls by 60 dB, seconds before it answers, and its share.
_REVERBERATION, _PREDELAY, _WET = 0.9, 0.02, 0.16
#: What is lower than this in a voice is rumble, Hz.
_RUMBLE = 90.0
#: The room answers between these, Hz: bass would be mud, treble hiss.
_ROOM_BAND = (300.0, 6000.0)


def mixed(music: Samples, vocals: Samples | None) -> Samples:
    """Music at `RATE` with a voice, -14 LUFS, true peaks below -1 dBTP; as long as the music.

    Without `vocals`, or with silent ones, the music alone.
    """
    if vocals is None or not len(music):
        return normalised(music, RATE)
    voice = _fitted(vocals, len(music))
    level = loudness(np.stack([voice, voice], axis=1), RATE)
    if not math.isfinite(level):
        return normalised(music, RATE)
    ducked = music * _ducking(voice)[:, None]
    backing = loudness(ducked, RATE)
    gain = 10 ** ((backing + _IN_FRONT - level) / 20) if math.isfinite(backing) else 1.0
    return normalised(ducked + np.float32(gain) * _in_room(voice), RATE)


def _fitted(vocals: Samples, length: int) -> Samples:
    """As long as the music, without rumble."""
    finite = np.nan_to_num(vocals[:length], nan=0.0, posinf=0.0, neginf=0.0)
    padded = np.pad(finite, (0, length - len(finite)))
    high_pass = butter(2, _RUMBLE, "highpass", fs=RATE, output="sos")
    return np.asarray(sosfilt(high_pass, padded), np.float32)


def _ducking(voice: Samples) -> Samples:
    """The factor of the music, for each sample."""
    power = uniform_filter1d(np.square(voice, dtype=np.float64), round(0.05 * RATE))
    power = np.maximum(power, 0.0)
    sings = power > power.mean() * 10 ** (-_PAUSE / 10)
    # Twice a moving average is a slope without corners.
    share = sings.astype(np.float64)
    for _ in range(2):
        share = uniform_filter1d(share, round(_DUCKING / 2 * RATE))
    return np.asarray(10 ** (-_DUCK * share / 20), np.float32)


def _in_room(voice: Samples) -> Samples:
    """The voice in the middle, and the room's answer around it, shape `(samples, 2)`."""
    answers = [oaconvolve(voice, side)[: len(voice)] for side in _room()]
    return np.asarray(voice[:, None] + _WET * np.stack(answers, axis=1), np.float32)


@functools.cache
def _room() -> tuple[Samples, Samples]:
    """What a small hall answers to a clap, on the left and on the right: noise that dies away."""
    noise = np.random.default_rng(1607).standard_normal((2, round(_REVERBERATION * RATE)))
    decay = 10 ** (-3 * np.arange(noise.shape[1]) / noise.shape[1])
    band = butter(2, _ROOM_BAND, "bandpass", fs=RATE, output="sos")
    tails = sosfilt(band, noise, axis=1) * decay
    tails /= np.sqrt(np.square(tails).sum(axis=1, keepdims=True))
    late = np.pad(tails, ((0, 0), (round(_PREDELAY * RATE), 0))).astype(np.float32)
    return late[0], late[1]
