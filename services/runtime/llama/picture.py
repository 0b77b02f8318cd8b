"""Decodes the pictures of a conversation into what models see."""

from dataclasses import dataclass

from PIL import Image as Pillow

from services.runtime.llama.generation import Image
from services.runtime.pictures import opened

MOST_BYTES = 20_000_000
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
    picture = opened(image.data, longest=LONGEST, most_bytes=MOST_BYTES, param="messages")
    if picture.mode == "RGBA":
        picture = Pillow.alpha_composite(Pillow.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB")
    return Pixels(picture.width, picture.height, picture.tobytes())
