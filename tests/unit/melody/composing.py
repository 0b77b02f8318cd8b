"""What tests of the composer share: genres, and a network that knows nothing."""

import numpy as np
from numpy.typing import NDArray

from services.melody.composer import Composer
from services.melody.composition import Passage, Plan
from services.melody.engine import MelodyRequest
from services.melody.form import plan
from services.melody.genre import GenreProfile
from services.melody.tokens import Vocabulary
from services.runtime.worker import Cancellation

VOCABULARY = Vocabulary.full()
BAND = {"lead": {"program": 80}, "chords": {"program": 0}, "bass": {"program": 33}}
PROFILES = {
    "pop": GenreProfile.model_validate(
        {"tempo": (100, 130), "drums": "pop", "comping": {"hits": [(0, 2), (2, 2)]}, "band": BAND}
    ),
    "ballad": GenreProfile.model_validate(
        {
            "tempo": (60, 80), "drums": "soul", "pace": 4, "minor": 1.0, "band": BAND,
            "comping": {"hits": [(0, 1), (1, 1), (2, 1)], "broken": True},
        }
    ),
}  # fmt: skip


class Babbler:
    """A network and its reading: any token is as good as another, by the number of those read.

    Nothing that it says helps to keep a rule.
    """

    def __init__(self) -> None:
        self._read = 0

    def begin(self) -> "Babbler":
        return Babbler()

    def read(self, tokens: list[int]) -> NDArray[np.float32]:
        self._read += len(tokens)
        rng = np.random.default_rng([self._read, sum(tokens)])
        return 3 * rng.standard_normal(len(VOCABULARY), np.float32)


def planned(request: MelodyRequest) -> Plan:
    return plan(request, PROFILES, np.random.default_rng([request.seed, 0]))


def composed(
    request: MelodyRequest, cancelled: Cancellation | None = None
) -> tuple[Plan, list[Passage]]:
    decided = planned(request)
    composer = Composer(Babbler(), VOCABULARY)
    profile = PROFILES[decided.genre]
    return decided, list(composer.compose(decided, request, profile, cancelled or Cancellation()))
