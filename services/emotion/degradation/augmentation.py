"""What may happen to a clip in training, drawn anew for each copy of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from numpy.random import Generator

from services.emotion.degradation.codec import mp3, opus
from services.emotion.degradation.level import clipped, gained
from services.emotion.degradation.line import telephone
from services.emotion.degradation.noise import mixed, white
from services.emotion.degradation.room import reverberated
from services.emotion.degradation.tempo import played
from services.emotion.engine import Samples

_LINES = (telephone, mp3, opus)


@dataclass(frozen=True)
class Augmentation:
    """How often each thing happens, 0 to 1, and how strongly; each happens by itself.

    `sounds` are recordings to put behind the voice, by kind; where there are none it is white
    noise, and so it is in `white` of all cases.
    """

    sounds: Mapping[str, list[Samples]] = field(default_factory=lambda: MappingProxyType({}))
    speed: float = 0.5
    speeds: tuple[float, float] = (0.9, 1.1)
    room: float = 0.3
    rt60s: tuple[float, float] = (0.2, 0.8)
    noise: float = 0.7
    snrs: tuple[float, float] = (0.0, 20.0)
    white: float = 0.25
    line: float = 0.2
    clipping: float = 0.1
    clippings: tuple[float, float] = (3.0, 15.0)
    gain: float = 0.5
    gains: tuple[float, float] = (-12.0, 6.0)

    def __call__(self, samples: Samples, random: Generator) -> Samples:
        """A copy of the clip to which some of it has happened, in the order of a recording."""
        if random.random() < self.speed:
            samples = played(samples, random.uniform(*self.speeds))
        if random.random() < self.room:
            samples = reverberated(samples, random.uniform(*self.rt60s), random)
        if random.random() < self.noise:
            behind = self._behind(samples.size, random)
            samples = mixed(samples, behind, random.uniform(*self.snrs), random)
        if random.random() < self.gain:
            samples = gained(samples, random.uniform(*self.gains))
        if random.random() < self.clipping:
            samples = clipped(samples, random.uniform(*self.clippings))
        if random.random() < self.line:
            samples = _LINES[random.integers(len(_LINES))](samples)
        return samples

    def _behind(self, size: int, random: Generator) -> Samples:
        if not self.sounds or random.random() < self.white:
            return white(size, random)
        kinds = sorted(self.sounds)
        recordings = self.sounds[kinds[random.integers(len(kinds))]]
        return recordings[random.integers(len(recordings))]
