"""Lines without a model: words drawn by the seed. For tests and weightless clusters."""

import random

from services.runtime.llama.generation import Generation

_WORDS = (
    "river", "night", "fire", "heart", "road", "summer", "shadow", "thunder", "window", "dance",
    "morning", "silver", "dream", "city", "rain", "hollow", "wild", "golden", "ocean", "stone",
)  # fmt: skip


def sung(generation: Generation) -> str:
    """A line, the same for the same seed; what a `FakeLanguageEngine` answers."""
    drawn = random.Random(generation.sampling.seed).sample(_WORDS, 4)
    return f"{' '.join(drawn).capitalize()}\n"
