"""The steps of a song, in order. Each leaves files, and says in JSON what is known after it."""

from collections.abc import Awaitable, Callable, Mapping

from services.song.steps.compose import compose
from services.song.steps.hear import hear
from services.song.steps.making import Making, Output
from services.song.steps.mix import mix
from services.song.steps.sing import sing
from services.song.steps.write import write

STEPS: Mapping[str, Callable[[Making], Awaitable[Output]]] = {
    "emotion": hear,
    "lyrics": write,
    "melody": compose,
    "vocals": sing,
    "mix": mix,
}
