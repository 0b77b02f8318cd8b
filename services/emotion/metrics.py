"""How good a classifier is: accuracy, macro precision, recall and F1, and who is taken for whom."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Report:
    """`confusion[i, j]` counts clips of `labels[i]` that were called `labels[j]`."""

    labels: list[str]
    confusion: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """The share that was right."""
        return float(np.trace(self.confusion) / max(1, self.confusion.sum()))

    @property
    def precision(self) -> NDArray[np.float64]:
        """By label: of what was called so, the share that was; 0 where nothing was called so."""
        return np.asarray(np.diag(self.confusion) / np.maximum(1, self.confusion.sum(axis=0)))

    @property
    def recall(self) -> NDArray[np.float64]:
        """By label: of what was so, the share that was called so."""
        return np.asarray(np.diag(self.confusion) / np.maximum(1, self.confusion.sum(axis=1)))

    @property
    def f1(self) -> NDArray[np.float64]:
        """By label: the harmonic mean of precision and recall, 0 where both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / np.where(total > 0, total, 1.0)


def report(labels: list[str], truth: NDArray[np.str_], answers: NDArray[np.str_]) -> Report:
    """Counts the answers. Every word in `truth` and `answers` must be one of `labels`."""
    index: dict[Any, int] = {label: at for at, label in enumerate(labels)}
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    for is_, called in zip(truth.tolist(), answers.tolist(), strict=True):
        confusion[index[is_], index[called]] += 1
    return Report(labels, confusion)
