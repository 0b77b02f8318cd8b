"""How likely a model found what was chosen."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from services.runtime.llama.generation import Chosen


def chosen_of(
    logits: NDArray[np.float32], token: int, likeliest: int, piece: Callable[[int], bytes]
) -> Chosen:
    """A token with its log-probability and the `likeliest` at its place, the likeliest first.

    `logits` are the model's own, shape (vocabulary,), before any sampling. A probability of none
    is told as that of the smallest number that is not.
    """
    highest = float(logits.max())
    total = highest + math.log(float(np.exp(logits - highest).sum(dtype=np.float64)))

    def logprob(at: int) -> float:
        return max(float(logits[at]) - total, -9999.0)

    best: list[int] = []
    if likeliest:
        best = np.argpartition(logits, -likeliest)[-likeliest:].tolist()
        best.sort(key=lambda at: -logits[at])
    return Chosen(piece(token), logprob(token), tuple((piece(at), logprob(at)) for at in best))
