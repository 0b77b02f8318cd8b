"""What a request asks of a model that writes sound from a description, and what it may not ask."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.melody.engine import MelodyRequest
from services.runtime.errors import InvalidRequest

#: Length where none is asked for.
SECONDS = 30.0

#: How AudioCraft draws tokens unless told otherwise.
TEMPERATURE, TOP_K, TOP_P, GUIDANCE = 1.0, 250, 1.0, 3.0

_TEMPO = re.compile(r"\b(bpm|beats per minute)\b", re.IGNORECASE)
_KEY = re.compile(r"\b[a-g](#|b|♯|♭| sharp| flat)?[ -](major|minor)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A request with every choice made. `tune` is mono, at `TUNE_RATE`."""

    text: str
    seconds: float
    seed: int
    temperature: float
    top_k: int
    top_p: float
    guidance: float
    tune: NDArray[np.float32] | None


def asked(request: MelodyRequest, tasks: Collection[str], *, follows: bool) -> Asked:
    """Checks a request against what the model can do: its `tasks`, and whether it `follows` a tune.

    Raises `InvalidRequest` naming the field. A form without lines is nobody's loss and is ignored.
    """
    if request.task not in tasks:
        raise InvalidRequest(
            f"This model makes {' and '.join(tasks)}, not {request.task}; name another.",
            param="model",
        )
    if request.artifacts:
        raise InvalidRequest(
            f"This model makes sound and writes no notes, so it has no "
            f"{', '.join(sorted(request.artifacts))}; leave that out, or name a model that does.",
            param="artifacts",
        )
    if request.silent:
        raise InvalidRequest("This model makes nothing but sound; ask for it.", param="silent")
    if any(section.syllables for section in request.sections):
        raise InvalidRequest(
            "This model writes no melody for lines; leave them out, or name a model that does.",
            param="sections",
        )
    return Asked(
        text=description(request),
        seconds=SECONDS if request.seconds is None else request.seconds,
        seed=request.seed,
        temperature=TEMPERATURE if request.temperature is None else request.temperature,
        top_k=TOP_K if request.top_k is None else request.top_k,
        top_p=TOP_P if request.top_p is None else request.top_p,
        guidance=GUIDANCE if request.guidance is None else request.guidance,
        tune=_tune(request, follows=follows),
    )


def description(request: MelodyRequest) -> str:
    """The prompt, and in words what else was asked for where the prompt does not say it."""
    if request.task == "sound":
        if not request.prompt.strip():
            raise InvalidRequest("Describe the sound in `prompt`.", param="prompt")
        return request.prompt.strip()
    prompt = request.prompt.strip()
    style = [word for word in (request.mood, request.genre) if word and not _says(prompt, word)]
    parts = [" ".join([*style, "music"]) if style else "", prompt]
    if request.tempo and not _TEMPO.search(prompt):
        parts.append(f"{request.tempo:.0f} bpm")
    if request.key and not _KEY.search(prompt):
        parts.append(request.key)
    return ", ".join(part for part in parts if part) or "music"


def _says(prompt: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", prompt, re.IGNORECASE) is not None


def _tune(request: MelodyRequest, *, follows: bool) -> NDArray[np.float32] | None:
    if request.tune is None:
        return None
    if not follows:
        raise InvalidRequest(
            "This model follows no melody; leave the recording out, or name a model that does.",
            param="file",
        )
    return request.tune
