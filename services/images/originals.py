"""Pictures that people send to be changed: opened, fitted, and the part of them that is open."""

import math

from PIL import Image, ImageOps

from services.runtime.errors import InvalidRequest
from services.runtime.pictures import opened

#: Together less than a message may have.
MOST_BYTES, MOST_MASK_BYTES = 10_000_000, 4_000_000
#: Longer sides are shrunk to this before anything else; models look at fewer pixels.
LONGEST = 2048
#: Alpha below which a pixel counts as transparent.
_OPAQUE = 128
#: Sides of what a model makes are multiples of this, and at least so long.
_MULTIPLE, _LEAST = 8, 64


def opened_original(data: bytes) -> Image.Image:
    """The picture to change. Raises `InvalidRequest`."""
    if not data:
        raise InvalidRequest("Send the picture to change as a file.", param="image")
    return opened(data, longest=LONGEST, most_bytes=MOST_BYTES, param="image")


def size_for(picture: Image.Image, native: int) -> tuple[int, int]:
    """Width and height of the picture's shape, of about as many pixels as a square of `native`."""
    scale = native / math.sqrt(picture.width * picture.height)

    def side(length: int) -> int:
        near = round(length * scale / _MULTIPLE) * _MULTIPLE
        return min(max(near, _LEAST), LONGEST)

    return side(picture.width), side(picture.height)


def fitted(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture in that size, RGB, on white where it is transparent.

    Where the shape is another, its middle.
    """
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def mask_of(picture: Image.Image, data: bytes, size: tuple[int, int]) -> Image.Image | None:
    """White where the picture is to be made anew, in that size: where the mask in `data`, or
    without one the picture itself, is transparent. None where all of it is. Raises
    `InvalidRequest`.
    """
    if data:
        mask = opened(data, longest=LONGEST, most_bytes=MOST_MASK_BYTES, param="mask")
        _check_mask(mask, picture)
    elif picture.mode == "RGBA":
        mask = picture
    else:
        return None
    is_open = mask.getchannel("A").point(lambda alpha: 0 if alpha >= _OPAQUE else 255)
    if is_open.getextrema() == (0, 0):
        if not data:
            return None
        raise InvalidRequest(
            "Nothing in the mask is transparent; make transparent what is to change.", param="mask"
        )
    return ImageOps.fit(is_open.resize(picture.size), size, Image.Resampling.NEAREST)


def _check_mask(mask: Image.Image, picture: Image.Image) -> None:
    if mask.mode != "RGBA":
        raise InvalidRequest(
            "The mask has no transparency; send a PNG or WebP that is transparent where the "
            "picture is to change.",
            param="mask",
        )
    # What is shrunk on opening may differ by a pixel.
    if any(abs(one - other) > 1 for one, other in zip(mask.size, picture.size, strict=True)):
        raise InvalidRequest(
            f"The mask is {mask.width}x{mask.height}, the picture "
            f"{picture.width}x{picture.height}; send both in one size.",
            param="mask",
        )
