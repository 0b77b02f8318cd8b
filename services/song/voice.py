"""A spoken line taken apart by the WORLD vocoder, and put together on other times and pitches."""

import itertools
from dataclasses import dataclass

import numpy as np
import pyworld
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Samples per second of spoken lines.
RATE = 24000
#: Milliseconds between frames.
FRAME_MS = 5.0
#: Where a speaking voice may be, Hz.
_LOWEST, _HIGHEST = 60.0, 400.0
#: What is this share of the loudest is silence, where it begins or ends a line.
_SILENCE = 0.003
#: Less of a voice than so many seconds is none.
_SHORTEST = 0.05
#: Gaps in the voice that are no longer than so many frames are creaks, not consonants.
_CREAK = 8


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A line in frames: `pitch` in Hz, shape `(frames,)`, 0 where nothing vibrates.

    `envelope` is the power spectrum, `breath` the share of it that is noise, shape
    `(frames, bins)`.
    """

    pitch: Floats
    envelope: Floats
    breath: Floats

    @property
    def voiced(self) -> Flags:
        """Where the voice vibrates."""
        return np.asarray(self.pitch > 0)


def analysed(spoken: Samples) -> Voice | None:
    """Takes a line apart, without the silence around it; `spoken` is mono at `RATE`.

    None where no voice vibrates in it.
    """
    sound = np.nan_to_num(spoken.astype(np.float64), posinf=0.0, neginf=0.0).clip(-1.0, 1.0)
    loud = np.flatnonzero(np.abs(sound) > _SILENCE * np.abs(sound).max(initial=0.0))
    if loud.size < _SHORTEST * RATE:
        return None
    sound = sound[loud[0] : loud[-1] + 1]
    # Harvest, WORLD's other ear for pitch, takes over ten times as long, and what is sung with it
    # is understood less well.
    rough, when = pyworld.dio(
        sound, RATE, f0_floor=_LOWEST, f0_ceil=_HIGHEST, frame_period=FRAME_MS
    )
    pitch = _without_creaks(pyworld.stonemask(sound, rough, when, RATE))
    if np.count_nonzero(pitch) < _SHORTEST * 1000 / FRAME_MS:
        return None
    envelope = pyworld.cheaptrick(sound, pitch, when, RATE)
    breath = pyworld.d4c(sound, pitch, when, RATE)
    return Voice(pitch, envelope, breath)


def _without_creaks(pitch: Floats) -> Floats:
    voiced = np.flatnonzero(pitch > 0)
    if voiced.size == 0:
        return pitch
    filled = np.interp(np.arange(len(pitch)), voiced, pitch[voiced])
    filled[: voiced[0]] = 0.0
    filled[voiced[-1] + 1 :] = 0.0
    for one, other in itertools.pairwise(voiced):
        if other - one > _CREAK:
            filled[one + 1 : other] = 0.0
    return filled


def resynthesised(voice: Voice, frames: Floats, pitch: Floats, loudness: Floats) -> Samples:
    """The line again, at `RATE`: of each frame of the answer, the frame of `voice` that sounds.

    `pitch` is what it sings there, Hz; where `voice` does not vibrate nothing does. `loudness` is
    the share of its amplitude. All have the shape `(frames,)`.
    """
    at = frames.clip(0, len(voice.pitch) - 1)
    low = np.floor(at).astype(np.intp)
    high = np.minimum(low + 1, len(voice.pitch) - 1)
    share = (at - low)[:, None]
    # Between two spectra the mean of their decibels sounds right, the mean of their powers blurs.
    decibels = np.log(np.maximum(voice.envelope, 1e-16))
    envelope = np.exp(decibels[low] * (1 - share) + decibels[high] * share)
    envelope *= np.square(loudness)[:, None]
    breath = voice.breath[low] * (1 - share) + voice.breath[high] * share
    voiced = voice.voiced[np.rint(at).astype(np.intp)]
    sound = pyworld.synthesize(np.where(voiced, pitch, 0.0), envelope, breath, RATE, FRAME_MS)
    return np.asarray(np.nan_to_num(sound), np.float32)
