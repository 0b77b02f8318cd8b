"""Pictures that people show to a model: read, made small enough, and without what they tell of
where they were taken."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

#: What a picture may be.
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_FORMATS = ("PNG", "JPEG", "WEBP")
#: As many pixels as the gateway takes; unpacked they are 160 MB.
_MOST_PIXELS = 40_000_000
#: Models look at no more of a longer side.
_LONGEST_SIDE = 2048
_QUALITY = 92
_THUMBNAIL_SIDE = 320


class Unreadable(Exception):
    """A file that is no picture, or one that is too large to be looked at."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's file, of type `media_type`; `name` is what its owner called it, and `thumbnail`
    an address that holds a small copy.
    """

    name: str
    data: bytes
    media_type: str
    thumbnail: str

    @property
    def url(self) -> str:
        """The picture itself, as an address."""
        return _address(self.data, self.media_type)


def picture_of(path: Path, side: int = _LONGEST_SIDE) -> Picture:
    """The picture in a file, upright, at most `side` pixels wide and high. What is transparent
    stays so. Raises `Unreadable`.
    """
    try:
        with Image.open(path, formats=_FORMATS) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise Unreadable
            upright = ImageOps.exif_transpose(opened)
            clear = upright.has_transparency_data
            image = upright.convert("RGBA" if clear else "RGB")
    # Pillow raises what each decoder comes upon in a broken file.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable from error
    media_type = "image/webp" if clear else "image/jpeg"
    image.thumbnail((side, side))
    data = _file(image, clear)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    return Picture(path.name, data, media_type, _address(_file(image, clear), media_type))


def _file(image: Image.Image, clear: bool) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "WEBP" if clear else "JPEG", quality=_QUALITY)
    return sink.getvalue()


def _address(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
