"""What is read in one step, and what the loop needs of whoever reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.runtime.llama.marks import Rows

MOST_TOKENS = 512
#: Tokens in one step for each of which an output can be had. Each costs memory: a row of logits.
MOST_OUTPUTS = 64


@dataclass(frozen=True, slots=True)
class Share:
    """Tokens of one sequence in a step; the first comes after `past` others.

    `outputs`: how many of its last tokens are to be told what follows them. With `encoding` the
    tokens are marks, for which its rows are read; then there are no outputs.
    """

    sequence: int
    past: int
    tokens: Sequence[int]
    outputs: int
    encoding: Rows | None = None
    causal: bool = True
    """Whether none of the marks sees those after it."""


class DecodeFailed(Exception):
    """llama.cpp could not do what a step needs."""


class Reader(Protocol):
    """A context; `Decoder` is one of llama.cpp."""

    def read(self, shares: Sequence[Share], adapter: str = "", *, embed: bool = False) -> None:
        """Reads a batch under an adapter. Raises `DecodeFailed`.

        Its tokens are numbered from 0, through all shares but those of marks. With `embed` the
        outputs are embeddings.
        """

    def logits(self, at: int) -> NDArray[np.float32]:
        """What may follow token `at` of the batch: shape (vocabulary,), until the next step."""

    def embedding(self, at: int) -> NDArray[np.float32]:
        """The model's last layer at token `at` of the batch: shape (width,), a copy."""
