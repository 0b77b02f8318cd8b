"""Whether genres and moods can be told from the notes alone, by a classifier."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from services.melody.engine import MelodyRequest
from services.melody.training.pieces import Band, Written, described

Floats = NDArray[np.float64]
_FOLDS = 5


@dataclass(frozen=True)
class Told:
    """How often a label was told right, over folds; `blind` without knowing the tempo."""

    labels: list[str]
    accuracy: float
    blind: float
    confusion: Floats


def pieces_of(
    band: Band, labels: Sequence[str], request: Callable[[int, str], MelodyRequest], each: int
) -> list[tuple[str, Written]]:
    """So many pieces for each label, each of a seed of its own."""
    return [
        (label, band.write(request(number * len(labels) + at, label)))
        for number in range(each)
        for at, label in enumerate(labels)
    ]


def told(pieces: Sequence[tuple[str, Written]]) -> Told:
    """Cross-validates."""
    truth = [label for label, _ in pieces]
    labels = sorted(set(truth))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)

    def guesses(*, tempo: bool) -> list[str]:
        values = np.array([described(piece, tempo=tempo) for _, piece in pieces])
        forest = RandomForestClassifier(300, random_state=0)
        return list(cross_val_predict(forest, values, truth, cv=folds))

    seeing = guesses(tempo=True)
    return Told(
        labels,
        float(accuracy_score(truth, seeing)),
        float(accuracy_score(truth, guesses(tempo=False))),
        confusion_matrix(truth, seeing, labels=labels, normalize="true"),
    )
