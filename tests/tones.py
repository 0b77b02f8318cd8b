"""Recordings of tones: classes that any network can learn, by speakers who differ in their hiss."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE

#: What the labels sound like, Hz.
PITCHES = {"low": 200.0, "middle": 800.0, "high": 3000.0}


def tone(pitch: float, seconds: float, seed: int, hiss: float = 0.01) -> NDArray[np.float32]:
    """A tone that swells and fades, with noise, shape `(samples,)`, full scale at 1."""
    random = np.random.default_rng(seed)
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    swell = np.sin(np.pi * at / seconds)
    heard = 0.3 * swell * np.sin(2 * np.pi * pitch * random.uniform(0.95, 1.05) * at)
    return (heard + random.normal(0, hiss, at.size)).astype(np.float32)


def write_wav(path: Path, samples: NDArray[np.float32]) -> Path:
    """A WAV of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return path


def recorded_tones(
    folder: Path, clips: int = 40, speakers: int = 5, labels: tuple[str, ...] = tuple(PITCHES)
) -> Path:
    """Clips of half a second to a second as `<label>/<speaker>/<number>.wav`."""
    for number in range(clips):
        label = labels[number % len(labels)]
        speaker = number // len(labels) % speakers
        samples = tone(PITCHES[label], 0.5 + number % 6 / 10, number, 0.002 * (1 + speaker))
        write_wav(folder / label / f"speaker{speaker}" / f"{number:03d}.wav", samples)
    return folder
