"""What the emotion container makes of its settings."""

import pytest

from services.emotion.settings import EAR_BYTES, ON_TRITON, EmotionSettings


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


def test_the_ear_on_a_server_leaves_less_to_its_models() -> None:
    assert EmotionSettings(triton_memory=10**9).memory_elsewhere == {"triton": 10**9}
    told = EmotionSettings(triton_memory=10**9, stream_ear="triton")
    assert told.memory_elsewhere == {"triton": 10**9 - EAR_BYTES}
    # Who has no room for it has none for any model.
    told = EmotionSettings(triton_memory=1, stream_ear="triton")
    assert told.memory_elsewhere == {"triton": 0}
