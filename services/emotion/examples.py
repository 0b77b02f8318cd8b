"""Recordings as the vectors that a head learns from, computed once and kept."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.emotion import features
from services.emotion.corpus import Recording
from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.features import windows
from services.runtime.audio import AudioLimits, decode
from services.runtime.manifest import Manifest

#: Goes through the recordings, showing how far it is.
Track = Callable[[list[Recording]], Iterable[Recording]]

_LIMITS = AudioLimits(max_seconds=60.0)


class Encoder(Protocol):
    """What turns a window of speech into a vector."""

    def features(self, window: Samples) -> NDArray[np.float32]:
        """Shape `(features,)`."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Vectors, shape `(examples, features)`; what each is and whose, both `(examples,)`.

    Every window of a recording is an example; a short one has one.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.str_]
    speakers: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Those examples alone."""
        return Examples(self.values[chosen], self.labels[chosen], self.speakers[chosen])


def extract(recordings: list[Recording], encoder: Encoder, track: Track) -> Examples:
    """Decodes and encodes every recording. Raises `InvalidAudio`."""
    rows = [
        (encoder.features(window.samples), recording)
        for recording in track(recordings)
        for window in windows(_samples(recording))
    ]
    return Examples(
        np.stack([vector for vector, _ in rows]),
        np.array([recording.label for _, recording in rows]),
        np.array([recording.speaker for _, recording in rows]),
    )


def _samples(recording: Recording) -> Samples:
    with recording.path.open("rb") as file:
        return decode(file, SAMPLE_RATE, _LIMITS)


def kept(cache: Path, compute: Callable[[], Examples]) -> Examples:
    """What `cache` holds, or else what `compute` gives, which is then written there."""
    if cache.is_file():
        with np.load(cache, allow_pickle=False) as arrays:
            return Examples(arrays["values"], arrays["labels"], arrays["speakers"])
    examples = compute()
    cache.parent.mkdir(parents=True, exist_ok=True)
    part = cache.with_suffix(".part.npz")
    np.savez(part, values=examples.values, labels=examples.labels, speakers=examples.speakers)
    part.replace(cache)
    return examples


def fingerprint(recordings: list[Recording], manifest: Manifest) -> str:
    """Changes with everything that the vectors depend on: clips, encoder, and our own code."""
    digest = hashlib.sha256(Path(features.__file__).read_bytes())
    digest.update(str((manifest.options.get("compute_type"), manifest.files["model.bin"])).encode())
    for recording in recordings:
        digest.update(f"{recording.path.name} {recording.path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]
