"""Parts of files: players ask for those, to go to any second of a song."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def asked_range(header: str | None, length: int) -> range | None:
    """The bytes that a `Range` header asks for, of a file of `length` bytes; None is all of it.

    HTTP lets a server send the whole file instead. We do for several parts at once, and for what is
    no range or lies outside of the file.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or len(header or "") > 100:
        return None
    first, last = found.groups()
    if first:
        part = range(int(first), min(int(last) + 1 if last else length, length))
    else:
        part = range(max(0, length - int(last or 0)), length)
    return part if part else None


async def cut(pieces: AsyncGenerator[bytes, None], part: range) -> AsyncGenerator[bytes, None]:
    """Of the bytes in `pieces` those in `part`, which is not empty."""
    at = 0
    async with aclosing(pieces):
        async for piece in pieces:
            within = piece[max(0, part.start - at) : max(0, part.stop - at)]
            at += len(piece)
            if within:
                yield within
            if at >= part.stop:
                return
