"""How many requests the emotion container works on at once."""

import pytest

from services.emotion.settings import ON_TRITON, EmotionSettings


@pytest.mark.parametrize(
    ("variables", "slots"),
    [
        ({}, 1),
        ({"ENGINE": "triton"}, ON_TRITON),
        ({"ENGINE": "triton", "SLOTS": "3"}, 3),
        ({"ENGINE": "fake", "SLOTS": "2"}, 2),
    ],
)
def test_a_server_is_given_many_at_once(
    variables: dict[str, str], slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"ORFEON_EMOTION_{name}", value)
    settings = EmotionSettings()
    assert settings.slots == slots
    # What is urgent waits for none of them.
    assert (settings.urgent_slots > 0) == (settings.engine == "triton")
