"""Clips of voices for tests: real ones where the data is there, and one made of tones."""

import io
import wave
from pathlib import Path

import numpy as np

from services.emotion.engine import SAMPLE_RATE, Samples
from services.runtime.audio import AudioLimits, decode

ROOT = Path(__file__).resolve().parents[2]
RAVDESS = ROOT.parent / "shared" / "data" / "emotion" / "ravdess"
#: What `helm test` has classified.
SPOKEN = ROOT / "charts" / "orfeon" / "files" / "voice.wav"


def synthetic(seconds: float = 3.0) -> Samples:
    """A vowel of a gliding pitch that comes and goes four times a second, between pauses."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 2 * np.pi * np.cumsum(140 + 40 * np.sin(2 * np.pi * 0.7 * time)) / SAMPLE_RATE
    voice = sum(np.sin(harmonic * pitch) / harmonic for harmonic in range(1, 20))
    speaking = np.clip(np.sin(2 * np.pi * 2 * time), 0, 1) * (abs(time - seconds / 2) < seconds / 3)
    return (0.1 * voice * speaking).astype(np.float32)


def wav(samples: Samples) -> bytes:
    """The samples as a file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def spoken() -> Samples:
    """A sentence said by a synthetic voice, which is always here."""
    with SPOKEN.open("rb") as file:
        return decode(file, SAMPLE_RATE, AudioLimits(max_seconds=60))


def recorded(count: int) -> list[Samples]:
    """The first clip of each of `count` actors, of different emotions; none without the data."""
    clips = [
        folder_clips[at * 7 % len(folder_clips)]
        for at, folder in enumerate(sorted(RAVDESS.glob("Actor_*"))[:count])
        if (folder_clips := sorted(folder.glob("03-01-*.flac")))
    ]
    samples = []
    for clip in clips:
        with clip.open("rb") as file:
            samples.append(decode(file, SAMPLE_RATE, AudioLimits(max_seconds=60)))
    return samples
