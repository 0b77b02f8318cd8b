"""What a genre's `model.yaml` says under `options`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.runtime.errors import ModelLoadFailed
from services.runtime.llama.generation import Sampling
from services.runtime.manifest import Manifest
from services.runtime.sections import Kind


class GenreSampling(BaseModel):
    """How the lines are sampled unless a request says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.8
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    top_k: Annotated[int, Field(ge=0)] = 60
    min_p: Annotated[float, Field(ge=0, le=1)] = 0.05
    repeat_penalty: Annotated[float, Field(gt=0, le=10)] = 1.1

    def sampling(self, seed: int, **asked: Any) -> Sampling:
        """With what a request asks for in place of its own."""
        return Sampling(**self.model_dump() | asked, seed=seed)


class Genre(BaseModel):
    """How a genre is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Annotated[str, Field(min_length=1)]
    """What the writer is told to be."""
    template: Literal["chat", "text"] = "chat"
    """`text` for a base that continues text and knows no conversation."""
    sections: Annotated[tuple[Kind, ...], Field(min_length=1)] = (
        "verse", "chorus", "verse", "chorus", "bridge", "chorus",
    )  # fmt: skip
    lines: Annotated[int, Field(ge=1, le=16)] = 4
    """Lines of a section."""
    rhyme: Literal["aabb", "abab", "none"] = "aabb"
    """Which lines had better rhyme."""
    syllables: Annotated[int, Field(ge=2, le=20)] = 8
    """About how long a line is."""
    candidates: Annotated[int, Field(ge=1, le=8)] = 3
    """Lines written side by side, of which the best is kept."""
    sampling: GenreSampling = GenreSampling()

    def rhyming(self, at: int) -> int:
        """How many lines before line `at` of a section is the one that it should rhyme with.

        0 where there is none.
        """
        distance = {"aabb": 1, "abab": 2, "none": 0}[self.rhyme]
        return distance if distance and at % (2 * distance) >= distance else 0


def genre_of(manifest: Manifest) -> Genre:
    """Reads a genre. Raises `ModelLoadFailed` naming the option at fault."""
    try:
        return Genre.model_validate(manifest.options)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, ("options", *first["loc"])))
        raise ModelLoadFailed(
            f"The model.yaml of the genre {manifest.name} is wrong in {field}: {first['msg']}."
        ) from error
