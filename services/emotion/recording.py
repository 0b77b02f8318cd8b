"""A file that is listened to stretch by stretch, so that its length costs no memory."""

import time
from typing import BinaryIO

import numpy as np

from services.emotion.engine import SAMPLE_RATE, Samples
from services.runtime.audio import AudioLimits, blocks
from services.runtime.worker import Cancellation

#: How much is listened to in one turn, seconds.
STRETCH_SECONDS = 30.0


class Recording:
    """A file, read from its start to its end. Every call may come from another thread."""

    def __init__(self, file: BinaryIO, limits: AudioLimits) -> None:
        self._cancelled = Cancellation()
        self._blocks = blocks(file, SAMPLE_RATE, limits, lambda: self._cancelled.is_set)
        self._read = 0
        self.ended = False
        """Whether everything was read."""

    @property
    def seconds(self) -> float:
        """How much was read."""
        return self._read / SAMPLE_RATE

    def stretch(self, cancelled: Cancellation) -> Samples:
        """The next stretch, shape `(samples,)`. Raises what `blocks` raises."""
        self._cancelled = cancelled
        parts, size = [np.zeros(0, np.float32)], 0
        for block in self._blocks:
            parts.append(block)
            size += block.size
            if size >= STRETCH_SECONDS * SAMPLE_RATE:
                break
        else:
            self.ended = True
        self._read += size
        return np.concatenate(parts)

    def close(self) -> None:
        """Lets go of the decoder. Nothing may be read any more."""
        self._blocks.close()


class Watch:
    """Where the time goes, seconds."""

    def __init__(self) -> None:
        self.decode_seconds = 0.0
        self.inference_seconds = 0.0
        self._since = time.perf_counter()

    def begin(self) -> None:
        """Time runs from now on."""
        self._since = time.perf_counter()

    def decoded(self) -> None:
        """The time since was for decoding and finding speech."""
        self.decode_seconds += self._lap()

    def inferred(self) -> None:
        """The time since was for computing."""
        self.inference_seconds += self._lap()

    def _lap(self) -> float:
        before, self._since = self._since, time.perf_counter()
        return self._since - before
