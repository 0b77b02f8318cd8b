"""Marks stand in a prompt where pictures go: a prompt with pictures is still a row of numbers.

A chunk is what the encoder reads at once: a picture, or a tile of one. It has a key, made from the
picture's own bytes, and its encoding has rows. For each row there is a mark of its own, below zero,
where no token is. Two prompts therefore agree exactly as far as their texts and their pictures do.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
"""The encoding of a chunk: shape (marks, width of the text model)."""

_ROW_BITS = 20
_KEY_BYTES = 16


def key_of(picture: bytes, chunk: int) -> int:
    """The key of one chunk of a picture: `picture` is the file, chunks count from 0."""
    digest = hashlib.sha256(hashlib.sha256(picture).digest() + chunk.to_bytes(4)).digest()
    return int.from_bytes(digest[:_KEY_BYTES])


def marks(key: int, rows: int) -> Iterable[int]:
    """What stands in a prompt for a chunk."""
    return (~(key << _ROW_BITS | row) for row in range(rows))


def is_mark(token: int) -> bool:
    """Whether a picture goes here, and no token."""
    return token < 0


def row_of(mark: int) -> tuple[int, int]:
    """The chunk's key and the row of its encoding that goes here."""
    return ~mark >> _ROW_BITS, ~mark & ((1 << _ROW_BITS) - 1)


@dataclass(frozen=True, slots=True)
class Seen:
    """The encodings of the pictures in a prompt, by the keys of their chunks."""

    rows: Mapping[int, Rows] = field(default_factory=dict)
    causal: bool = True
    """Whether a picture is read mark by mark; else a chunk at once."""

    def knows(self, tokens: Sequence[int]) -> bool:
        """Whether there is a row for every mark."""
        marked = (row_of(token) for token in tokens if is_mark(token))
        return all(key in self.rows and row < len(self.rows[key]) for key, row in marked)

    def stretch(self, tokens: Sequence[int], past: int, count: int, room: int) -> int:
        """How many can be read at once after the first `past`: tokens, or marks of one chunk.

        About `count`, at most `room`: 0 where what must be read at once has no room.
        """
        count = min(count, room, len(tokens) - past)
        if not self.rows:
            return count
        if is_mark(tokens[past]):
            key, row = row_of(tokens[past])
            left = len(self.rows[key]) - row
            return min(count, left) if self.causal else left if left <= room else 0
        marked = (at for at in range(count) if is_mark(tokens[past + at]))
        return next(marked, count)

    def encoding(self, tokens: Sequence[int]) -> Rows | None:
        """The rows for marks of one chunk; None for tokens."""
        if not self.rows or not is_mark(tokens[0]):
            return None
        key, row = row_of(tokens[0])
        return self.rows[key][row : row + len(tokens)]
