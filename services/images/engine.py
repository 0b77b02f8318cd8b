"""What a painter is: a model that makes images, and the values that go in and come out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from PIL import Image

from services.runtime.context import NORMAL
from services.runtime.host import LoadedModel
from services.runtime.worker import Cancellation

Task = Literal["image-generation", "image-edit", "image-variation"]


@dataclass(frozen=True, slots=True, eq=False)
class ImageRequest:
    """Images to make, one for each of `seeds`, `width` by `height` pixels, in `steps` steps.

    With an `image` (RGB, of that size) they start from it and go as far as `strength` says, over 0
    to 1; all the steps are made on that way. With a `mask` too (L, of that size) only what is white
    in it changes. `previews` is how many unfinished states of each are wanted. `priority` and
    `timeout`, in seconds, are for servers behind that have queues of their own.
    """

    seeds: tuple[int, ...]
    width: int
    height: int
    steps: int
    guidance: float
    prompt: str = ""
    negative_prompt: str = ""
    image: Image.Image | None = None
    mask: Image.Image | None = None
    strength: float = 1.0
    previews: int = 0
    priority: int = NORMAL
    timeout: float | None = None

    def cost(self) -> float:
        """The work, in steps of a megapixel."""
        return len(self.seeds) * self.steps * self.width * self.height / 1e6


@dataclass(frozen=True, slots=True)
class Step:
    """So many steps of an image, counted from 0, are made."""

    image: int
    step: int
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """An unfinished state of an image, RGB. Both are counted from 0."""

    image: int
    number: int
    picture: Image.Image


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """A finished image, RGB."""

    image: int
    picture: Image.Image


Piece = Step | Preview | Painting


class Painter(LoadedModel, Protocol):
    """A model in memory that makes images."""

    def paint(self, request: ImageRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """Makes the images one after the other: of each `Step` 0, its steps and previews as they
        are made, then its `Painting`.

        The same seed gives the same image, however many are asked for. Raises `Cancelled` at the
        next step once `cancelled`, and `InvalidRequest` before the first piece.
        """


def due_previews(request: ImageRequest, made: int) -> int:
    """How many previews of an image should have been sent once so many steps are made.

    They lie evenly between its beginning and its end; after the last step there is none.
    """
    if made >= request.steps:
        return 0
    return min(request.previews, (request.previews + 1) * made // request.steps)
