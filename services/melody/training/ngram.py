"""What the network must beat: an n-gram model, smoothed as Witten and Bell do."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np


class Ngrams:
    """Odds of a token after the `order - 1` before it, mixed with those after fewer."""

    def __init__(self, sequences: Iterable[Sequence[int]], order: int, tokens: int) -> None:
        self._order, self._tokens = order, tokens
        self._counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for sequence in sequences:
            for at, token in enumerate(sequence):
                for length in range(min(order, at + 1)):
                    self._counts[tuple(sequence[at - length : at])][token] += 1
        self._sums = {context: sum(seen.values()) for context, seen in self._counts.items()}

    def odds(self, before: Sequence[int], token: int, order: int) -> float:
        """The probability of `token`; of an order up to that of the model."""
        odds = 1 / self._tokens
        for length in range(min(order, len(before) + 1)):
            context = tuple(before[len(before) - length :])
            seen = self._counts.get(context)
            if seen is None:
                break
            # As often as something new came here, something new is expected.
            odds = (seen[token] + len(seen) * odds) / (self._sums[context] + len(seen))
        return odds

    def loss(self, sequences: Iterable[Sequence[int]], skip: Sequence[int], order: int) -> float:
        """Mean negative log likelihood, nats a token; of each sequence all but the first `skip`."""
        losses = [
            -np.log(self.odds(sequence[max(0, at - order + 1) : at], sequence[at], order))
            for sequence, first in zip(sequences, skip, strict=True)
            for at in range(first, len(sequence))
        ]
        return float(np.mean(losses))
