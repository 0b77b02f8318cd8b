"""Fits a head: the recipe by which the shipped heads were made, for any labels. Needs `train`.

    head = fit(examples, ["happy", "sad"], reads=encoder.reads)
    head.save(folder / "head.npz")

`examples` come from `services.emotion.examples.extract`; those of other labels are left out.
docs/emotion-head.md tells what else was tried.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from services.emotion.evaluation.calibration import best_temperature
from services.emotion.examples import Examples
from services.emotion.head import Head, softmax

Floats = NDArray[np.float32]
#: Told of each step that is done: which, and of how many.
Progress = Callable[[int, int], None]

#: What a feature that never changes is divided by, so that it stays finite.
_LEAST_SCALE = 1e-4


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a head is fitted: multinomial logistic regression with a quadratic penalty.

    `strength` of the penalty is per copy of the clips; `smoothing` is the share of each target that
    goes to all labels alike. Where `balanced`, the clips of rare labels count more, so that all
    labels count as much. `folds` by speaker give the answers on which the temperature is fitted.
    More `iterations` change the third digit of a probability.
    """

    strength: float = 100.0
    smoothing: float = 0.0
    balanced: bool = True
    folds: int = 3
    iterations: int = 60
    seed: int = 0


def fit(
    examples: Examples,
    labels: Sequence[str],
    *,
    reads: str,
    recipe: Recipe = Recipe(),
    progress: Progress | None = None,
) -> Head:
    """A head that tells `labels`, with the temperature at which its probabilities are calibrated.

    The temperature is fitted on answers about clips of speakers whom the answering head had not
    heard (Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017).
    Where no two speakers are known, clips take their place. Raises `ValueError` for fewer than two
    labels, and for a label without examples.
    """
    examples = examples.labelled(labels)
    _check(examples, labels)
    groups = _groups(examples)
    tell = progress or (lambda _done, _all: None)
    logits: list[Floats] = []
    truth: list[NDArray[np.int64]] = []
    # The matrices are small: on busy cores, threads would wait for one another fifteen times longer
    # than they compute.
    with threadpool_limits(1):
        folds = list(group_folds(groups, recipe.folds, recipe.seed))
        for done, (train, test) in enumerate(folds):
            tell(done, len(folds) + 1)
            if len(set(examples.labels[train].tolist())) < len(labels):
                continue
            head = _fitted(examples.of(train), labels, reads, recipe)
            held_out = examples.of(test & (examples.copies == 0))
            logits.append(head.logits(held_out.values))
            truth.append(_indices(held_out, labels))
        tell(len(folds), len(folds) + 1)
        temperature = 1.0
        if truth:
            given = softmax(np.concatenate(logits))
            temperature = best_temperature(given, np.concatenate(truth))
        head = _fitted(examples, labels, reads, recipe, temperature)
        tell(len(folds) + 1, len(folds) + 1)
    return head


def group_folds(
    groups: NDArray[np.str_], count: int, seed: int = 0
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Which examples to train and which to test on, `count` times or as often as there are groups.

    No group is in both. Groups are drawn by `seed`.
    """
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    for fold in np.array_split(names, min(count, names.size)):
        test = np.isin(groups, fold)
        if not test.all():
            yield ~test, test


def _groups(examples: Examples) -> NDArray[np.str_]:
    """Who speaks, or which clip it is: whatever must not be in two parts."""
    known = examples.speakers != ""
    if np.unique(examples.speakers[known]).size < 2:
        return examples.clips.astype(np.str_)
    return np.asarray(np.where(known, examples.speakers, examples.clips.astype(np.str_)))


def _check(examples: Examples, labels: Sequence[str]) -> None:
    if len(labels) < 2:
        raise ValueError("a head needs two labels at least")
    if missing := set(labels) - set(examples.labels.tolist()):
        raise ValueError(f"no clip is labelled {', '.join(sorted(missing))}")


def _indices(examples: Examples, labels: Sequence[str]) -> NDArray[np.int64]:
    place = {label: at for at, label in enumerate(labels)}
    return np.array([place[label] for label in examples.labels.tolist()], np.int64)


def _fitted(
    examples: Examples,
    labels: Sequence[str],
    reads: str,
    recipe: Recipe,
    temperature: float = 1.0,
) -> Head:
    mean = examples.values.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = examples.values.std(axis=0, dtype=np.float64).astype(np.float32) + _LEAST_SCALE
    standard = (examples.values - mean) / scale
    truth = _indices(examples, labels)
    counted = np.ones(truth.size)
    if recipe.balanced:
        counted = (truth.size / (len(labels) * np.bincount(truth)))[truth]
    target = np.full((truth.size, len(labels)), recipe.smoothing / len(labels), np.float32)
    target[np.arange(truth.size), truth] += 1 - recipe.smoothing
    penalty = recipe.strength * (1 + examples.copies.max())
    loss = _Loss(standard, target, counted.astype(np.float32), penalty)
    start = np.zeros(len(labels) * (mean.size + 1))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": recipe.iterations}
    )
    weight = found.x.reshape(len(labels), -1).astype(np.float32)
    return Head(list(labels), mean, scale, weight[:, :-1], weight[:, -1], temperature, reads)


class _Loss:
    """Cross entropy and penalty, a clip on average, and its gradient by the weights."""

    def __init__(self, values: Floats, target: Floats, counted: Floats, penalty: float) -> None:
        self._values, self._target = values, target
        self._counted = counted[:, np.newaxis] / counted.sum()
        self._penalty = penalty / counted.sum()

    def __call__(self, flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight = flat.astype(np.float32).reshape(self._target.shape[1], -1)
        given = softmax(self._values @ weight[:, :-1].T + weight[:, -1])
        surprise = -(self._counted * self._target * np.log(np.maximum(given, 1e-12))).sum()
        off = self._counted * (given - self._target)
        gradient = np.empty_like(weight)
        gradient[:, :-1] = off.T @ self._values + self._penalty * weight[:, :-1]
        gradient[:, -1] = off.sum(axis=0)
        penalty = 0.5 * self._penalty * float(np.square(weight[:, :-1], dtype=np.float64).sum())
        return float(surprise) + penalty, gradient.astype(np.float64).ravel()
