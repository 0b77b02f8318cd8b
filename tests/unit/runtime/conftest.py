"""A longer look for property tests: `pytest tests/unit/runtime --hypothesis-profile=thorough`."""

from hypothesis import settings

settings.register_profile(
    "thorough", max_examples=50 * settings.get_profile("default").max_examples
)
