"""What a request asks of a model that reads descriptions."""

from typing import Any

import numpy as np
import pytest

from services.melody.engine import MelodyRequest
from services.melody.musicgen.asked import asked, description
from services.runtime.errors import InvalidRequest


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"prompt": "a slow waltz"}, "a slow waltz"),
        ({"genre": "rock"}, "rock music"),
        ({"genre": "rock", "mood": "happy"}, "happy rock music"),
        ({"genre": "rock", "mood": "happy", "prompt": "two guitars"},
         "happy rock music, two guitars"),
        ({"genre": "rock", "mood": "happy", "prompt": "Happy guitars that ROCK"},
         "Happy guitars that ROCK"),
        ({"genre": "rock", "prompt": "rocking"}, "rock music, rocking"),
        ({"prompt": "drums", "tempo": 121.6}, "drums, 122 bpm"),
        ({"prompt": "drums at 90 BPM", "tempo": 121.6}, "drums at 90 BPM"),
        ({"prompt": "drums", "key": "F# minor"}, "drums, F# minor"),
        ({"prompt": "a theme in e-flat major, in C minor", "key": "F# minor"},
         "a theme in e-flat major, in C minor"),
        ({"tempo": 60.0, "key": "C major"}, "60 bpm, C major"),
        ({"prompt": "  "}, "music"),
        ({}, "music"),
        ({"task": "sound", "prompt": " a dog barks ", "genre": "rock", "tempo": 60.0},
         "a dog barks"),
    ],
)  # fmt: skip
def test_words_are_added_where_the_prompt_does_not_say_them(
    fields: dict[str, Any], text: str
) -> None:
    assert description(MelodyRequest(seed=1, **fields)) == text


def test_a_sound_has_to_be_described() -> None:
    with pytest.raises(InvalidRequest) as refused:
        description(MelodyRequest(seed=1, task="sound", genre="rock"))
    assert refused.value.param == "prompt"


def test_what_is_not_asked_for_is_as_audiocraft_has_it() -> None:
    wanted = asked(MelodyRequest(seed=7), ["music"], follows=False)
    assert (wanted.seconds, wanted.seed, wanted.tune) == (30.0, 7, None)
    assert (wanted.temperature, wanted.top_k, wanted.top_p) == (1.0, 250, 1.0)
    assert wanted.guidance == 3.0


def test_nought_is_asked_for_and_is_not_the_default() -> None:
    request = MelodyRequest(seed=7, temperature=0.0, top_k=0, top_p=0.5, guidance=0.0)
    wanted = asked(request, ["music"], follows=False)
    assert (wanted.temperature, wanted.top_k, wanted.top_p) == (0.0, 0, 0.5)
    assert wanted.guidance == 0.0


def test_a_tune_is_for_a_model_that_follows_one() -> None:
    request = MelodyRequest(seed=1, tune=np.ones(1000, np.float32))
    assert asked(request, ["music"], follows=True).tune is request.tune
    with pytest.raises(InvalidRequest) as refused:
        asked(request, ["music"], follows=False)
    assert refused.value.param == "file"


@pytest.mark.parametrize(("tasks", "task"), [(["music"], "sound"), (["sound"], "music")])
def test_music_and_sounds_are_different_models(tasks: list[str], task: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(MelodyRequest(seed=1, task=task, prompt="rain"), tasks, follows=False)
    assert refused.value.param == "model"
    assert task in refused.value.message
