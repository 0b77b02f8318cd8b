"""Words for a picture: in letters that the font has, broken into lines, as large as they fit."""

import functools
import unicodedata
from typing import NamedTuple

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: Letters that do not come apart into a plain one and an accent.
_PLAIN = str.maketrans(
    {
        "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l",
        "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i",
        "–": "-", "—": "-", "«": '"', "»": '"',
    }
)  # fmt: skip

#: Nobody reads more of a cover.
_MOST_CHARACTERS = 200
_ELLIPSIS = "…"


class Block(NamedTuple):
    """Lines of text, and the font to set them in."""

    lines: tuple[str, ...]
    font: Font
    size: int


def settled(text: str, width: int, sizes: tuple[int, ...], most_lines: int) -> Block | None:
    """Breaks `text` at the first of `sizes` at which `most_lines` lines of `width` pixels hold it.

    What does not fit even at the last one is cut off with an ellipsis. None where nothing is left
    of it that the font has.
    """
    words = _legible(text).split()
    if not words:
        return None
    for size in sizes:
        font = ImageFont.load_default(size)
        lines = _broken(words, font, width)
        if len(lines) <= most_lines and all(font.getlength(line) <= width for line in lines):
            return Block(tuple(lines), font, size)
    kept = [_cut(line, font, width) for line in lines[:most_lines]]
    if len(lines) > most_lines and not kept[-1].endswith(_ELLIPSIS):
        kept[-1] = _cut(kept[-1] + _ELLIPSIS, font, width)
    return Block(tuple(kept), font, size)


def _broken(words: list[str], font: Font, width: int) -> list[str]:
    lines = [words[0]]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _cut(line: str, font: Font, width: int) -> str:
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + _ELLIPSIS) > width:
        line = line[:-1]
    return line.rstrip(" ,.;:" + _ELLIPSIS) + _ELLIPSIS


def _legible(text: str) -> str:
    """The text in what the font has: accents fall off, other scripts and emoji are left out."""
    apart = unicodedata.normalize("NFKD", text[:_MOST_CHARACTERS].translate(_PLAIN))
    spaced = "".join(" " if c.isspace() else c for c in apart)
    return "".join(c for c in spaced if c == " " or c in _characters())


@functools.cache
def _characters() -> frozenset[str]:
    """What Pillow's font has: what does not look like its sign for an unknown character."""
    font = ImageFont.load_default(20)
    unknown = bytes(font.getmask("\uffff"))
    candidates = [chr(code) for code in (*range(0x21, 0x7F), *range(0x2018, 0x2027))]
    return frozenset(each for each in candidates if bytes(font.getmask(each)) != unknown)
