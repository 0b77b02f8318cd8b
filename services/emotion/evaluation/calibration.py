"""Whether a probability of 0.8 means right eight times in ten.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017: expected
calibration error over bins of equal width, and temperature scaling.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from services.emotion.evaluation.answers import Answers

BINS = 15

#: Between which temperatures one is looked for.
_TEMPERATURES = (0.1, 10.0)


@dataclass(frozen=True)
class Bin:
    """Answers of about the same confidence: how many, how sure and how often right on average."""

    clips: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """`error` is the expected calibration error: how far confidence and accuracy are apart.

    `nll` is the mean negative logarithm of the probability of the truth.
    """

    error: float
    nll: float
    bins: list[Bin]


def calibration(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> Calibration:
    """Of probabilities of shape `(clips, labels)` and indices of shape `(clips,)`."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    # The bins are open below, as in the paper: (0, 1/15], (1/15, 2/15], ...
    which = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = [
        Bin(
            int(own.sum()),
            float(confidence[own].mean()) if own.any() else 0.0,
            float(right[own].mean()) if own.any() else 0.0,
        )
        for own in (which == at for at in range(BINS))
    ]
    error = sum(each.clips * abs(each.confidence - each.accuracy) for each in bins) / len(truth)
    return Calibration(float(error), _nll(probabilities, truth), bins)


def at_temperature(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """The same answers with their logits divided by `temperature`: above 1 is less sure."""
    logits = np.log(np.clip(probabilities, 1e-12, None)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def best_temperature(probabilities: NDArray[np.floating], truth: NDArray[np.int64]) -> float:
    """The temperature at which the truth is likeliest."""
    low, high = np.log(_TEMPERATURES)
    found = minimize_scalar(
        lambda log: _nll(at_temperature(probabilities, float(np.exp(log))), truth),
        bounds=(low, high),
        method="bounded",
    )
    return float(np.exp(found.x))


def rescaled_by_others(answers: Answers) -> NDArray[np.float64]:
    """Probabilities at the temperature that suits all the other speakers.

    So no voice has a part in its own temperature. With fewer than two speakers nothing is changed.
    """
    rescaled = answers.probabilities.copy()
    names = np.unique(answers.speakers)
    for name in names if len(names) > 1 else ():
        own = answers.speakers == name
        best = best_temperature(answers.probabilities[~own], answers.truth[~own])
        rescaled[own] = at_temperature(answers.probabilities[own], best)
    return rescaled


def _nll(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    likely = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(likely, 1e-12, None)).mean())
