"""Opens the pictures that people send, without trusting what they say of themselves."""

import io

from PIL import Image, ImageOps

from services.runtime.errors import InvalidRequest

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 40_000_000


def opened(data: bytes, *, longest: int, most_bytes: int, param: str) -> Image.Image:
    """The picture, upright, its longer side shrunk to at most `longest` pixels.

    It is RGBA where it may be transparent, else RGB. Of an animation the first frame. Raises
    `InvalidRequest`, with `param` at fault.
    """
    if len(data) > most_bytes:
        raise InvalidRequest(
            f"A picture has {len(data):,} bytes: send at most {most_bytes:,}.", param=param
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height <= MOST_PIXELS:
                return _upright(picture, longest)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        pass  # Pillow's own limits are above ours.
    except Exception as error:  # Whatever a decoder raises is about the file.
        raise InvalidRequest(
            "A picture cannot be read: send a whole PNG, JPEG or WebP file.", param=param
        ) from error
    raise InvalidRequest(
        f"A picture has more than {MOST_PIXELS:,} pixels: send a smaller one.", param=param
    )


def _upright(picture: Image.Image, longest: int) -> Image.Image:
    # A JPEG can be decoded smaller at once, which saves most of the time and memory.
    picture.draft(None, (longest, longest))
    if picture.mode == "I;16":
        # Pillow cuts off what is brighter than 255 where it could divide.
        picture = picture.point(lambda value: value * (1 / 256)).convert("L")
    picture.thumbnail((longest, longest))
    picture = ImageOps.exif_transpose(picture)
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
