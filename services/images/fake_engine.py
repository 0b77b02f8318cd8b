"""A painter that needs no weights: a gradient whose colours follow from the seed."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps

from services.images.engine import (
    ImageRequest,
    Painter,
    Painting,
    Piece,
    Preview,
    Step,
    due_previews,
)
from services.runtime.errors import Cancelled
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation


class FakeImagesEngine:
    """Loads at once, whatever the folder."""

    kinds = frozenset({CPU})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> Painter:
        """A painter that needs no files."""
        return FakePainter()


class FakePainter:
    """Paints a gradient. The same seed and prompt give the same."""

    def paint(self, request: ImageRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """See `Painter`."""
        for index, seed in enumerate(request.seeds):
            picture = _picture(request, seed)
            yield Step(index, 0, request.steps)
            shown = 0
            for step in range(1, request.steps + 1):
                if cancelled.is_set:
                    raise Cancelled("The request was cancelled.")
                yield Step(index, step, request.steps)
                while shown < due_previews(request, step):
                    yield Preview(index, shown, picture)
                    shown += 1
            yield Painting(index, picture)

    def close(self) -> None:
        """Nothing to free."""


def _picture(request: ImageRequest, seed: int) -> Image.Image:
    digest = hashlib.sha256(f"{seed} {request.prompt}".encode()).digest()
    dark, light = tuple(digest[:3]), tuple(digest[3:6])
    ramp = Image.linear_gradient("L").resize((request.width, request.height))
    picture = ImageOps.colorize(ramp, dark, light)
    if request.image is None:
        return picture
    if request.mask is None:
        return Image.blend(request.image, picture, request.strength)
    return Image.composite(picture, request.image, request.mask)
