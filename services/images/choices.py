"""What a model leaves to a request, and what it chooses where nothing is said: `options`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.runtime.errors import ModelLoadFailed
from services.runtime.manifest import Manifest

Quality = Literal["low", "medium", "high"]
Steps = Annotated[int, Field(ge=1, le=150)]
Strength = Annotated[float, Field(gt=0, le=1)]


class Choices(BaseModel):
    """The part of a manifest's `options` that is about requests."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    size: Annotated[int, Field(ge=64, multiple_of=8)] = 1024
    """Side in pixels of the square that the model was trained on."""
    steps: Steps = 30
    """Steps where neither they nor a quality are asked for."""
    quality_steps: dict[Quality, Steps] = {}
    """Steps by quality; `steps` for those that are left out."""
    guidance: Annotated[float, Field(ge=0, le=30)] = 5.0
    """Classifier-free guidance; 1 or less is none, so that nothing can be ruled out."""
    strength: Strength = 0.8
    """How far an edit goes from its picture."""
    variation_strength: Strength = 0.6
    """How far a variation does."""
    styles: dict[str, str] = {}
    """The words that a style adds to the prompt."""


def choices_of(manifest: Manifest) -> Choices:
    """The choices of a model. Raises `ModelLoadFailed` where its `options` are none."""
    try:
        return Choices.model_validate(manifest.options)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("options", *first["loc"])))
        raise ModelLoadFailed(
            f"The model.yaml of '{manifest.name}' is wrong: {place}: {first['msg']}.",
            param="model",
        ) from error
