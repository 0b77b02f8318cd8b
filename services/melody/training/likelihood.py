"""How well held-out music is foreseen: by the network, and by n-grams."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from services.melody.tokens import CONTROLS, Vocabulary
from services.melody.training.examples import LENGTH, Examples
from services.melody.training.network import Network
from services.melody.training.ngram import Ngrams

#: The longest n-grams that are tried.
ORDER = 6


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Negative log likelihood in nats a token: of the network, and of n-grams by their order."""

    what: str
    tokens: int
    network: float
    ngrams: tuple[float, ...]

    @property
    def best(self) -> int:
        """The order whose n-grams foresee most."""
        return int(np.argmin(self.ngrams)) + 1


def likelihoods(
    network: Network, examples: Examples, held_out: Examples, vocabulary: Vocabulary
) -> list[Likelihood]:
    """For songs and for drums. Headers are given to both, and count for neither."""
    known = examples.all()
    ngrams = Ngrams(known, ORDER, len(vocabulary))
    song = vocabulary.number("Song")
    headers = {True: len(CONTROLS) + 2, False: 4}
    found = []
    for what, songs in (("lead, chords, bass", True), ("drums", False)):
        mine = [row for row in held_out.all() if (row[0] == song) == songs]
        skip = [headers[songs]] * len(mine)
        found.append(
            Likelihood(
                what,
                sum(max(0, len(row) - headers[songs]) for row in mine),
                network_loss(network, mine, skip),
                tuple(ngrams.loss(mine, skip, order) for order in range(1, ORDER + 1)),
            )
        )
    return found


def network_loss(network: Network, rows: Sequence[Sequence[int]], skip: Sequence[int]) -> float:
    """As `Ngrams.loss`."""
    total, count = 0.0, 0
    with torch.inference_mode():
        for first in range(0, len(rows), 8):
            batch = torch.zeros((min(8, len(rows) - first), LENGTH + 1), dtype=torch.long)
            for at, row in enumerate(rows[first : first + 8]):
                batch[at, : len(row)] = torch.tensor(row)
            losses = functional.cross_entropy(
                network(batch[:, :-1]).transpose(1, 2), batch[:, 1:], reduction="none"
            )
            for at, row in enumerate(rows[first : first + 8]):
                part = losses[at, skip[first + at] - 1 : len(row) - 1]
                total, count = total + float(part.sum()), count + len(part)
    return total / count
