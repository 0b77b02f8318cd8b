"""What an encoder has heard it need not hear again: the next head on it is evaluated in minutes."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.emotion.engine import Samples
from services.emotion.features import Encoder


class Remembering:
    """An encoder that keeps what it made of each window, in a file from one run to the next."""

    def __init__(self, encoder: Encoder, path: Path) -> None:
        self.reads = encoder.reads
        self._encoder = encoder
        self._path = path
        self._known: dict[bytes, NDArray[np.float32]] = {}
        if path.is_file():
            with np.load(path, allow_pickle=False) as arrays:
                keys = [bytes(row) for row in arrays["keys"]]
                self._known = dict(zip(keys, arrays["values"], strict=True))
        self._saved = len(self._known)

    def features(self, window: Samples) -> NDArray[np.float32]:
        """See `Encoder`."""
        key = hashlib.sha256(window.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._encoder.features(window)
        return self._known[key]

    def save(self) -> None:
        """Writes what is new beside what was there, under another name until it is whole."""
        if len(self._known) == self._saved:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        keys = np.array([np.frombuffer(key, np.uint8) for key in self._known])
        with part.open("wb") as file:
            np.savez(file, keys=keys, values=np.stack(list(self._known.values())))
        part.replace(self._path)
        self._saved = len(self._known)
