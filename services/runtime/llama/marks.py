"""Marks stand in a prompt where pictures go: a prompt with pictures is still a row of numbers.

A chunk is what the encoder reads at once: a picture, or a tile of one. It has a key, made from the
picture's own bytes, and its encoding has rows. For each row there is a mark of its own, below zero,
where no token is. Two prompts therefore agree exactly as far as their texts and their pictures do.
"""

import hashlib
from collections.abc import Iterable

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
