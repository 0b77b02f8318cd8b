"""What happens to speech between a mouth and a model: noise, rooms, lines, codecs, bad levels.

Pure functions from samples to samples at 16 kHz. What is drawn at random is drawn from a generator
that is passed in.
"""

from services.emotion.degradation.augmentation import Augmentation
from services.emotion.degradation.codec import mp3, opus
from services.emotion.degradation.level import clipped, gained
from services.emotion.degradation.line import telephone
from services.emotion.degradation.noise import babble, mixed, white
from services.emotion.degradation.room import impulse_response, reverberated
from services.emotion.degradation.sounds import Sounds, sounds
from services.emotion.degradation.tempo import played

__all__ = [
    "Augmentation", "Sounds", "babble", "clipped", "gained", "impulse_response", "mixed", "mp3",
    "opus", "played", "reverberated", "sounds", "telephone", "white",
]  # fmt: skip
