"""What moods mean to a composer."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Mood:
    """Valence and arousal, 0 to 2, and how likely a minor key is; None leaves it to the genre."""

    valence: int = 1
    arousal: int = 1
    minor: float | None = None


#: By the labels that classifiers of emotion have.
MOODS: Mapping[str, Mood] = MappingProxyType(
    {
        "": Mood(),
        "neutral": Mood(),
        "calm": Mood(1, 0, 0.2),
        "happy": Mood(2, 2, 0.0),
        "sad": Mood(0, 0, 1.0),
        "angry": Mood(0, 2, 1.0),
        "fearful": Mood(0, 1, 1.0),
        "disgust": Mood(0, 1, 0.9),
        "surprised": Mood(2, 1, 0.1),
    }
)
