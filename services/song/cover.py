"""Draws the cover of a song: colours by mood, shapes by genre, the rest from a seed."""

import io
import zlib
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw

from services.song.lettering import Block, settled
from services.song.shapes import (
    Colour,
    Painter,
    Palette,
    bubbles,
    city,
    mountains,
    record,
    waves,
)

#: Pixels on a side. Everything is drawn twice as large first, so that edges are smooth.
SIDE = 600
_SCALE = 2

#: Title and artist stand in the lower part, so many pixels from the edges.
_MARGIN = 42
_TITLE_SIZES, _TITLE_LINES = (76, 66, 58, 50, 44, 38), 3
_ARTIST_SIZES = (24, 21)
_PAPER: Colour = (255, 252, 245)


def _palette(sky: str, horizon: str, light: str, *grounds: str) -> Palette:
    return Palette(
        _colour(sky), _colour(horizon), _colour(light), tuple(_colour(each) for each in grounds)
    )


def _colour(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


#: By mood, as the labels of emotion have them; any other is neutral. The sky, the horizon, what
#: shines, then what stands before it, from far to near.
PALETTES: Mapping[str, Palette] = MappingProxyType(
    {
        "neutral": _palette("8fa3a8", "e8d9c0", "fbf3e2", "c9a98b", "8a8379", "55656a", "2c3c42"),
        "calm": _palette("7cc0c4", "e9f0dd", "fdf8e8", "a3cfc8", "64a3ac", "38788c", "1b4a5f"),
        "happy": _palette("ff7b54", "ffd56b", "fff4cf", "ffb26b", "f95d6a", "b5387f", "5d2a7c"),
        "sad": _palette("24365e", "8c9dbd", "dfe6f0", "7184ac", "4b5f8c", "2d3f68", "131c38"),
        "angry": _palette("3d0814", "e8472f", "ffd08a", "d33626", "a0182a", "640d20", "250408"),
        "fearful": _palette("0f0c22", "4f4a78", "c4dcb0", "55497f", "3b3263", "241d46", "0a0718"),
        "disgust": _palette("4b5d34", "c9cb8e", "f1edbd", "a2a562", "718244", "48602f", "1f3320"),
        "surprised": _palette("5f4bd8", "ff9ecb", "fff39a", "ff7fc0", "9d62e8", "5446c4", "261a66"),
    }
)


#: What is painted for each genre; any other has one of these by its name.
_KINDS: Mapping[str, Painter] = MappingProxyType(
    {
        "pop": bubbles,
        "soul": bubbles,
        "rock": mountains,
        "country": mountains,
        "rap": city,
        "funk": city,
        "ballad": waves,
        "reggae": waves,
        "jazz": record,
        "latin": record,
    }
)
_PAINTERS: tuple[Painter, ...] = (bubbles, city, mountains, record, waves)


def cover(title: str, artist: str, genre: str, mood: str, seed: int) -> bytes:
    """A square PNG of `SIDE` pixels, the same for equal arguments, under 300 kB.

    Characters that the font has not are left out of the title and of the artist's name.
    """
    palette = PALETTES.get(mood.lower(), PALETTES["neutral"])
    kind = zlib.crc32(genre.lower().encode("utf-8", "replace"))
    large = Image.new("RGB", (SIDE * _SCALE, SIDE * _SCALE))
    paint = _KINDS.get(genre.lower(), _PAINTERS[kind % len(_PAINTERS)])
    paint(large, palette, np.random.default_rng([seed % 2**63, kind]))
    picture = _shaded(large.resize((SIDE, SIDE), Image.Resampling.BOX), palette)
    _letter(picture, title, artist)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _shaded(picture: Image.Image, palette: Palette) -> Image.Image:
    """Darker towards the bottom, where the letters stand."""
    rows = np.linspace(0.0, 1.0, picture.height)[:, None, None]
    share = 0.82 * ((rows - 0.42) / 0.5).clip(0.0, 1.0) ** 1.3
    pixels = np.asarray(picture, np.float32)
    dark = np.asarray(palette.grounds[-1], np.float32) * 0.7
    return Image.fromarray(np.rint(pixels * (1 - share) + dark * share).astype(np.uint8), "RGB")


def _letter(picture: Image.Image, title: str, artist: str) -> None:
    draw = ImageDraw.Draw(picture)
    width = SIDE - 2 * _MARGIN
    bottom = SIDE - _MARGIN
    name = settled(artist, width, _ARTIST_SIZES, 1)
    if name:
        bottom = _set(draw, name, bottom, (235, 230, 222)) - 14
    words = settled(title, width, _TITLE_SIZES, _TITLE_LINES)
    if words:
        _set(draw, words, bottom, _PAPER)


def _set(draw: ImageDraw.ImageDraw, block: Block, bottom: int, colour: Colour) -> int:
    """Sets lines upwards from `bottom`; returns where the first one begins."""
    for line in reversed(block.lines):
        draw.text((_MARGIN, bottom), line, font=block.font, fill=colour, anchor="ls")
        bottom -= round(block.size * 1.12)
    return bottom
