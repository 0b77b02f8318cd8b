"""From answers to figures, with the intervals in which they would fall on other clips or voices."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from services.emotion.evaluation.answers import NONE, Answers

#: Samples drawn for an interval, and the share of them that it holds.
DRAWS = 2000
SHARE = 0.95


@dataclass(frozen=True)
class Interval:
    """Where a figure lies in `SHARE` of all samples of the same size."""

    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """Shares of 1. Macro figures are means over the labels that occur in the data.

    `confusion[i][j]` counts clips of label i that were called j; `unanswered` clips were called
    nothing, which counts as wrong.
    """

    labels: list[str]
    clips: int
    unanswered: int
    accuracy: float
    macro_precision: float
    unweighted_average_recall: float
    macro_f1: float
    precision: list[float]
    recall: list[float]
    f1: list[float]
    support: list[int]
    confusion: list[list[int]]


def figures(answers: Answers) -> Figures:
    """All of them for one set of answers."""
    every = np.arange(len(answers.labels))
    given = answers.given
    precision, recall, f1, support = precision_recall_fscore_support(
        answers.truth, given, labels=every, zero_division=0
    )
    there = support > 0
    return Figures(
        labels=list(answers.labels),
        clips=len(answers.truth),
        unanswered=int((given == NONE).sum()),
        accuracy=float(answers.right.mean()),
        macro_precision=float(precision[there].mean()),
        unweighted_average_recall=float(recall[there].mean()),
        macro_f1=float(f1[there].mean()),
        precision=precision.tolist(),
        recall=recall.tolist(),
        f1=f1.tolist(),
        support=support.tolist(),
        confusion=confusion(answers).tolist(),
    )


def confusion(answers: Answers) -> NDArray[np.int64]:
    """Shape `(labels, labels)`: a row for what a clip is, a column for what it was called."""
    every = np.arange(len(answers.labels))
    return np.asarray(confusion_matrix(answers.truth, answers.given, labels=every))


@dataclass(frozen=True)
class Intervals:
    """Of accuracy and unweighted average recall, over clips and over speakers.

    Over speakers is the honest one: clips of one voice are right or wrong together. It is missing
    where fewer than two speakers are known.
    """

    accuracy_over_clips: Interval
    recall_over_clips: Interval
    accuracy_over_speakers: Interval | None
    recall_over_speakers: Interval | None


def intervals(answers: Answers, seed: int = 0) -> Intervals:
    """By the bootstrap (Efron, 1979): the answers are drawn again and again, with replacement.

    Over speakers whole voices are drawn.
    """
    random = np.random.default_rng(seed)
    # The last column is for what was not answered.
    size = len(answers.labels)
    given = np.where(answers.given == NONE, size, answers.given)
    cells = answers.truth * (size + 1) + given
    counts = np.bincount(cells, minlength=size * (size + 1))
    drawn = random.multinomial(len(cells), counts / len(cells), DRAWS)
    over_clips = _accuracy_and_recall(drawn.reshape(DRAWS, size, size + 1))
    names, whose = np.unique(answers.speakers, return_inverse=True)
    if len(names) < 2 or "" in names:
        return Intervals(*over_clips, None, None)
    each = np.zeros((len(names), size * (size + 1)), np.int64)
    np.add.at(each, (whose, cells), 1)
    times = random.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    over_speakers = _accuracy_and_recall((times @ each).reshape(DRAWS, size, size + 1))
    return Intervals(*over_clips, *over_speakers)


def _accuracy_and_recall(confusions: NDArray[np.int64]) -> tuple[Interval, Interval]:
    """Of many confusion matrices, shape `(draws, labels, labels + 1)`."""
    right = np.diagonal(confusions, axis1=1, axis2=2)
    support = confusions.sum(axis=2)
    accuracy = right.sum(axis=1) / support.sum(axis=1)
    there = support > 0
    recall = np.where(there, right / np.maximum(1, support), 0).sum(axis=1) / there.sum(axis=1)
    return _interval(accuracy), _interval(recall)


def _interval(values: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(values, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return Interval(float(low), float(high))


def by_speaker(answers: Answers) -> dict[str, tuple[int, float]]:
    """Clips and accuracy of every speaker, the worst first. Whoever is not known is one speaker."""
    found = {
        str(speaker): (int(own.sum()), float(answers.right[own].mean()))
        for speaker in np.unique(answers.speakers)
        for own in [answers.speakers == speaker]
    }
    return dict(sorted(found.items(), key=lambda item: item[1][1]))
