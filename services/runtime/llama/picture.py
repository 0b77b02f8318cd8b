"""Decodes the pictures that people send, without trusting what they say of themselves."""

import io
from dataclasses import dataclass

from PIL import Image as Pillow
from PIL import ImageOps

from services.runtime.errors import InvalidRequest
from services.runtime.llama.generation import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 20_000_000
MOST_PIXELS = 40_000_000
#: Pixels of the longer side beyond which no model looks closer; a larger picture is shrunk.
LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Pixels:
    """`data` are `height` rows of `width` times red, green and blue, a byte each."""

    width: int
    height: int
    data: bytes


def decode(image: Image) -> Pixels:
    """The picture, upright, on white where it is transparent, its longer side at most `LONGEST`.

    Of an animation the first frame. Raises `InvalidRequest`.
    """
    if len(image.data) > MOST_BYTES:
        raise InvalidRequest(
            f"A picture has {len(image.data):,} bytes: send at most {MOST_BYTES:,}.",
            param="messages",
        )
    try:
        with Pillow.open(io.BytesIO(image.data), formats=FORMATS) as opened:
            if opened.width * opened.height <= MOST_PIXELS:
                return _upright(opened)
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        pass  # Pillow's own limits are above ours.
    except Exception as error:  # Whatever a decoder raises is about the file.
        raise InvalidRequest(
            "A picture cannot be read: send a whole PNG, JPEG or WebP file.", param="messages"
        ) from error
    raise InvalidRequest(
        f"A picture has more than {MOST_PIXELS:,} pixels: send a smaller one.", param="messages"
    )


def _upright(opened: Pillow.Image) -> Pixels:
    # A JPEG can be decoded smaller at once, which saves most of the time and memory.
    opened.draft(None, (LONGEST, LONGEST))
    picture = opened
    if picture.mode == "I;16":
        # Pillow cuts off what is brighter than 255 where it could divide.
        picture = picture.point(lambda value: value * (1 / 256)).convert("L")
    picture.thumbnail((LONGEST, LONGEST))
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Pillow.new("RGBA", picture.size, "white")
        picture = Pillow.alpha_composite(ground, picture)
    picture = picture.convert("RGB")
    return Pixels(picture.width, picture.height, picture.tobytes())
