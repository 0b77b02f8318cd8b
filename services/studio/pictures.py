"""Pictures that people show to a model: read, made small enough, and without what they tell of
where they were taken."""

import asyncio
import base64
import io
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

#: What a picture may be.
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_FORMATS = ("PNG", "JPEG", "WEBP")
#: As many pixels as the gateway takes; unpacked they are 160 MB, and of WebP there are four copies.
_MOST_PIXELS = {"PNG": 40_000_000, "JPEG": 40_000_000, "WEBP": 15_000_000}
#: As often may a longer side be what is looked at: strips of one row would be the whole of it.
_MOST_TIMES = 16
#: Rows of a smaller picture that are made at a time.
_ROWS = 16
#: Models look at no more of a longer side.
_LONGEST_SIDE = 2048
_QUALITY = 92
_THUMBNAIL_SIDE = 320
# One that is unpacked takes much of a pod's memory. A thread goes on when nobody waits any more,
# so that a lock which they held would let the next one in too early.
_one_at_a_time = ThreadPoolExecutor(1, "pictures")


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


async def looked_at(path: Path) -> Picture:
    """The same as `picture_of`, beside the event loop, and after all that came before."""
    return await asyncio.get_running_loop().run_in_executor(_one_at_a_time, picture_of, path)


def picture_of(path: Path, side: int = _LONGEST_SIDE) -> Picture:
    """The picture in a file, upright, at most `side` pixels wide and high. What is transparent
    stays so. Raises `Unreadable`.
    """
    try:
        image = _small(path, side)
    # Pillow raises what each decoder comes upon in a broken file.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable from error
    image.thumbnail((side, side))
    clear = image.mode == "RGBA"
    media_type = "image/webp" if clear else "image/jpeg"
    data = _file(image, clear)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    return Picture(path.name, data, media_type, _address(_file(image, clear), media_type))


def _small(path: Path, side: int) -> Image.Image:
    """A picture, upright, less than twice as large as it may be, in RGB or RGBA.

    It is converted by strips: a copy of the whole would take as much memory as the picture.
    """
    with Image.open(path, formats=_FORMATS) as opened:
        width, height = opened.size
        most = _MOST_PIXELS[opened.format or ""]
        if width * height > most or max(width, height) > _MOST_TIMES * side:
            raise Unreadable
        opened.draft("RGB", (side, side))
        opened.load()
    mode = "RGBA" if opened.has_transparency_data else "RGB"
    width, height = opened.size
    factor = max(1, max(width, height) // side)
    small = Image.new(mode, (math.ceil(width / factor), math.ceil(height / factor)))
    for row in range(0, small.height, _ROWS):
        rows = (0, row * factor, width, min(height, (row + _ROWS) * factor))
        small.paste(opened.crop(rows).convert(mode).reduce(factor), (0, row))
    small.getexif()[ExifTags.Base.Orientation] = opened.getexif().get(ExifTags.Base.Orientation, 1)
    ImageOps.exif_transpose(small, in_place=True)
    return small


def _file(image: Image.Image, clear: bool) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "WEBP" if clear else "JPEG", quality=_QUALITY)
    return sink.getvalue()


def _address(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
