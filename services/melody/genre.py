"""What `model.yaml` says of a genre under `options.genres`: data, so that adding one is no code."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from services.melody.band import Band
from services.melody.engine import SectionKind
from services.melody.tokens import CONTROLS, STYLES
from services.runtime.errors import ModelLoadFailed
from services.runtime.manifest import Manifest

Share = Annotated[float, Field(ge=0, le=1)]


class Sampling(BaseModel):
    """How tokens are drawn unless a request says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.97


class Comping(BaseModel):
    """How chords are played in a bar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hits: Annotated[tuple[tuple[float, float], ...], Field(min_length=1)]
    """Start and length of each stroke, in beats of a bar."""
    broken: bool = False
    """Whether the notes of a chord follow one another, one a stroke."""


class GenreProfile(BaseModel):
    """How a genre is composed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tempo: tuple[float, float]
    """Slowest and fastest, quarter notes per minute."""
    drums: str
    """A style of the drummers' corpus."""
    minor: Share = 0.4
    """How many pieces are in minor, where the mood does not say."""
    pace: Annotated[float, Field(ge=1, le=12)] = 5
    """Syllables that a bar holds with ease."""
    controls: dict[str, int] = {}
    """Controls of the network, by name; the mood and the lines say the rest."""
    chromatic: bool = False
    """Whether chords may leave the scale."""
    loop: Annotated[int, Field(ge=2, le=16)] = 4
    """Bars after which the chords of a section return."""
    comping: Comping
    form: Annotated[tuple[SectionKind, ...], Field(min_length=1)] = (
        "verse", "chorus", "verse", "chorus", "bridge", "chorus",
    )  # fmt: skip
    """Sections between intro and outro where a request names none."""
    band: Band
    sampling: Sampling = Sampling()

    @field_validator("tempo")
    @classmethod
    def _slowest_first(cls, tempo: tuple[float, float]) -> tuple[float, float]:
        if not 40 <= tempo[0] < tempo[1] <= 240:
            raise ValueError("the slowest tempo comes first, both between 40 and 240")
        return tempo

    @field_validator("drums")
    @classmethod
    def _known_style(cls, drums: str) -> str:
        if drums not in STYLES:
            raise ValueError(f"must be one of {', '.join(STYLES)}")
        return drums

    @field_validator("controls")
    @classmethod
    def _known_controls(cls, controls: dict[str, int]) -> dict[str, int]:
        for name, value in controls.items():
            if not 0 <= value < CONTROLS.get(name, 0):
                raise ValueError(f"{name} is no control, or has no value {value}")
        return controls


_PROFILES = TypeAdapter(dict[str, GenreProfile])


def profiles_of(manifest: Manifest) -> dict[str, GenreProfile]:
    """The genres of a model, the default first. Raises `ModelLoadFailed` naming the option."""
    found = manifest.options.get("genres", {})
    try:
        profiles = _PROFILES.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise ModelLoadFailed(
            f"The model.yaml of {manifest.name} is wrong in options.genres."
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}."
        ) from error
    if not profiles:
        raise ModelLoadFailed(f"The model.yaml of {manifest.name} names no options.genres.")
    return profiles
