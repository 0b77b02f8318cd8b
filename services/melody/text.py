"""A text of tokens that grows: drawn from the network, one by one, among those that may follow."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.melody.genre import Sampling
from services.melody.tokens import Vocabulary
from services.runtime.errors import Cancelled
from services.runtime.worker import Cancellation

#: As many tokens as the network was trained to look back over, and how many of them stay when the
#: text is longer.
_WINDOW, _KEPT = 384, 160

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


class Reading(Protocol):
    """A text and what the network keeps of it."""

    def read(self, tokens: list[int]) -> Floats:
        """Reads on; gives the logits of what follows, shape `(tokens of the vocabulary,)`."""


class Network(Protocol):
    """Reads tokens and says what may follow."""

    def begin(self) -> Reading:
        """A text of which nothing has been read."""


class Text:
    """Begins with a header, which stays, and goes on in bars."""

    def __init__(
        self,
        network: Network,
        vocabulary: Vocabulary,
        sampling: Sampling,
        rng: np.random.Generator,
        cancelled: Cancellation,
    ) -> None:
        self._network, self._vocabulary = network, vocabulary
        self._sampling, self._rng, self._cancelled = sampling, rng, cancelled
        self._header: list[int] = []
        self._bars: list[list[int]] = []
        self._reading = network.begin()
        self._unread: list[int] = []
        self._length = 0

    def begin(self, header: list[str], *, fresh: bool = False) -> None:
        """Begins a text of another header, after the last bars of this one unless it is `fresh`."""
        self._header = self._vocabulary.numbers(header)
        if fresh:
            self._bars = []
        self._reread()

    def bar(self) -> None:
        """What is written from now on is the next bar."""
        if self._length + len(self._unread) > _WINDOW - 80:
            self._reread()
        self._bars.append([])

    def write(self, *names: str) -> None:
        """Writes tokens that are given."""
        numbers = self._vocabulary.numbers(names)
        self._unread += numbers
        self._bars[-1] += numbers

    def draw(self, allowed: Numbers) -> str:
        """One of these tokens, not yet written. Raises `Cancelled`."""
        if self._cancelled.is_set:
            raise Cancelled("The request was cancelled.")
        if len(allowed) == 1:
            return self._vocabulary.names[int(allowed[0])]
        if self._unread:
            self._logits = self._reading.read(self._unread)
            self._length += len(self._unread)
            self._unread = []
        at = chosen(self._logits[allowed], self._sampling, self._rng)
        return self._vocabulary.names[int(allowed[at])]

    def _reread(self) -> None:
        kept: list[list[int]] = []
        for bar in reversed(self._bars):
            if sum(map(len, kept)) + len(bar) > _KEPT:
                break
            kept.insert(0, bar)
        self._bars = kept
        self._reading, self._length = self._network.begin(), 0
        self._unread = self._header + [number for bar in kept for number in bar]


def chosen(logits: Floats, sampling: Sampling, rng: np.random.Generator) -> int:
    """The index of a token, drawn by its odds: the `top_k` likeliest, then `top_p` of them."""
    order = np.argsort(-logits, kind="stable")
    if sampling.temperature == 0:
        return int(order[0])
    if sampling.top_k:
        order = order[: sampling.top_k]
    scaled = logits[order].astype(np.float64) / sampling.temperature
    odds = np.exp(scaled - scaled[0])
    odds /= odds.sum()
    kept = int(np.searchsorted(np.cumsum(odds), sampling.top_p)) + 1
    sums = np.cumsum(odds[:kept])
    return int(order[min(int(np.searchsorted(sums, rng.random() * sums[-1])), len(sums) - 1)])
