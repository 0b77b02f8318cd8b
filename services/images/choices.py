"""What a model leaves to a request, and what it chooses where nothing is said: `options`."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from services.runtime.errors import ModelLoadFailed
from services.runtime.manifest import Manifest

Quality = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Choices:
    """The part of a manifest's `options` that is about requests.

    `size` is the side in pixels of the square that the model was trained on. `quality_steps` has
    steps by quality, `steps` those where none is asked for. `styles` has the words that a style
    adds to the prompt. A `guidance` of 1 or less is none, so that nothing can be ruled out.
    """

    __pydantic_config__ = ConfigDict(extra="ignore", strict=True)

    size: int = 1024
    steps: int = 30
    quality_steps: dict[Quality, int] = field(default_factory=dict)
    guidance: float = 5.0
    strength: float = 0.8
    variation_strength: float = 0.6
    styles: dict[str, str] = field(default_factory=dict)


_CHOICES = TypeAdapter(Choices)


def choices_of(manifest: Manifest) -> Choices:
    """The choices of a model. Raises `ModelLoadFailed` where its `options` are none."""
    try:
        choices = _CHOICES.validate_python(manifest.options)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelLoadFailed(
            f"The model.yaml of '{manifest.name}' is wrong: options.{place}: {first['msg']}.",
            param="model",
        ) from error
    positive = (choices.size, choices.steps, *choices.quality_steps.values())
    shares = (choices.strength, choices.variation_strength)
    if min(positive) < 1 or choices.size % 8 or not all(0 < share <= 1 for share in shares):
        raise ModelLoadFailed(
            f"The model.yaml of '{manifest.name}' is wrong: options.size must be a multiple of 8, "
            "steps at least 1, strengths over 0 and at most 1.",
            param="model",
        )
    return choices
