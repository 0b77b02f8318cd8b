"""Fits a head: standardised features and a logistic regression. Needs the extra `train`."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from services.emotion.corpus import LABELS
from services.emotion.examples import Examples
from services.emotion.head import Head

#: Inverse strengths of the regularisation to choose from.
STRENGTHS = (0.003, 0.01, 0.03)
#: Folds by speaker within the training speakers, over which the strength is chosen.
INNER_FOLDS = 4
ITERATIONS = 400


def fit(examples: Examples) -> tuple[Head, float]:
    """A head and the regularisation chosen for it, by nothing but these examples."""
    # The matrices are small: on busy cores, threads would wait for one another fifteen times longer
    # than they compute.
    with threadpool_limits(1):
        right = dict.fromkeys(STRENGTHS, 0)
        for train, test in speaker_folds(examples.speakers, INNER_FOLDS):
            held_out = examples.of(test)
            for strength, head in _heads(examples.of(train), STRENGTHS):
                right[strength] += int((answers(head, held_out) == held_out.labels).sum())
        strength = max(STRENGTHS, key=lambda each: right[each])
        [(_, head)] = _heads(examples, (strength,))
        return head, strength


def answers(head: Head, examples: Examples) -> NDArray[np.str_]:
    """The best label of every example, shape `(examples,)`."""
    best = head.probabilities(examples.values).argmax(axis=-1)
    return np.asarray(np.array(head.labels)[best])


def speaker_folds(
    speakers: NDArray[np.int64], count: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Which examples to train and which to test on, `count` times; no speaker is in both.

    Speakers who follow one another share a fold: RAVDESS alternates women and men, so every fold
    has as many of each.
    """
    for fold in np.array_split(np.unique(speakers), count):
        test = np.isin(speakers, fold)
        yield ~test, test


def _heads(examples: Examples, strengths: tuple[float, ...]) -> Iterator[tuple[float, Head]]:
    """One head for each strength.

    There are more features than examples, and a regularised solution lies in the space that the
    examples span. Solving it there, in coordinates of that space, gives the same weights sooner.
    """
    values = examples.values.astype(np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0) + 1e-6
    standard = (values - mean) / scale
    power, axes = np.linalg.eigh(standard @ standard.T)
    spanned = power > power[-1] * 1e-9
    length = np.sqrt(power[spanned])
    coordinates = axes[:, spanned] * length
    basis = (standard.T @ axes[:, spanned]) / length
    for strength in strengths:
        model = LogisticRegression(C=strength, max_iter=ITERATIONS)
        model.fit(coordinates, examples.labels)
        order = [model.classes_.tolist().index(label) for label in LABELS]
        yield (
            strength,
            Head(
                LABELS,
                mean.astype(np.float32),
                scale.astype(np.float32),
                (model.coef_[order] @ basis.T).astype(np.float32),
                model.intercept_[order].astype(np.float32),
            ),
        )
