"""Recordings as the vectors that a head learns from, computed once and kept.

clips = listened(recordings, skipped)
augment = Augmentation(sounds(noise))
examples = extract(clips, encoder, augment=augment, copies=COPIES, seed=1)
head = fit(examples, labels, reads=encoder.reads)
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from services.emotion.corpora import Recording
from services.emotion.engine import Samples
from services.emotion.features import Encoder, windows

#: Augmented copies of each clip that the shipped heads were trained on.
COPIES = 2

#: What befalls a copy of a clip, drawn from the generator.
Augment = Callable[[Samples, Generator], Samples]


@dataclass(frozen=True, eq=False)
class Examples:
    """Vectors, shape `(examples, features)`, and of each, shape `(examples,)`, what it is.

    `speakers` is empty where nobody knows who speaks. `clips` numbers the recordings, and `copies`
    is 0 for a recording as it is and otherwise says which augmented copy of it was heard. Every
    window of a recording is an example; a short one has one.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]
    clips: NDArray[np.int64]
    copies: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Those examples alone."""
        return Examples(
            self.values[chosen],
            self.labels[chosen],
            self.speakers[chosen],
            self.clips[chosen],
            self.copies[chosen],
        )

    def labelled(self, labels: Sequence[str]) -> "Examples":
        """Those of these labels alone."""
        return self.of(np.isin(self.labels, list(labels)))

    def save(self, path: Path) -> None:
        """Writes an `.npz`, under another name until it is whole."""
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez(
                file,
                values=self.values,
                labels=self.labels,
                speakers=self.speakers,
                clips=self.clips,
                copies=self.copies,
            )
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Examples":
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            names = ("values", "labels", "speakers", "clips", "copies")
            return cls(*(arrays[name] for name in names))


def extract(
    clips: Iterable[tuple[Recording, Samples]],
    encoder: Encoder,
    *,
    augment: Augment | None = None,
    copies: int = 0,
    seed: int = 0,
) -> Examples:
    """Encodes every clip, and `copies` augmented copies of each where there is an `augment`.

    What befalls a copy is drawn by seed, clip and copy alone. Clips in which nothing sounds are
    left out. Raises `ValueError` where no example is left.
    """
    values: list[NDArray[np.float32]] = []
    rows: list[tuple[str, str, int, int]] = []
    for number, (recording, samples) in enumerate(clips):
        for copy in range(1 + copies if augment else 1):
            heard = samples
            if copy and augment:
                heard = augment(samples, np.random.default_rng([seed, number, copy]))
            for window in windows(heard):
                values.append(encoder.features(window.samples))
                rows.append((recording.label, recording.speaker, number, copy))
    if not rows:
        raise ValueError("nothing sounds in any of the clips")
    labels, speakers, numbers, which = zip(*rows, strict=True)
    return Examples(
        np.stack(values),
        np.array(labels),
        np.array(speakers),
        np.array(numbers, np.int64),
        np.array(which, np.int64),
    )
