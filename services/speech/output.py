"""What a voice says, brought to the rate and the pace that were asked for."""

import numpy as np

from services.runtime.audio import Resampler
from services.runtime.tempo import Tempo
from services.speech.engine import SYNTHESIZER_RATE, Samples


class Output:
    """From `rate` to `SYNTHESIZER_RATE`, and to `speed` times the pace, 0.25 to 4, part by part."""

    def __init__(self, rate: int, speed: float) -> None:
        self._resampler = Resampler(rate, SYNTHESIZER_RATE)
        self._tempo = Tempo(SYNTHESIZER_RATE, speed) if speed != 1.0 else None

    def feed(self, samples: Samples) -> Samples:
        """What can be said of the next samples. A little stays inside."""
        resampled = self._resampler.feed(samples)
        return resampled if self._tempo is None else self._tempo.feed(resampled)

    def finish(self) -> Samples:
        """The rest. Nothing may be fed afterwards."""
        rest = self._resampler.finish()
        if self._tempo is None:
            return rest
        return np.concatenate([self._tempo.feed(rest), self._tempo.finish()])
