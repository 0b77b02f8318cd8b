"""Figures of a run: percentiles, fairness, and the load up to which targets are met."""

import math
import statistics
from collections.abc import Callable, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of `values` do not exceed; NaN where there are none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def jain(amounts: Sequence[float]) -> float:
    """Jain's fairness index: 1 when all get the same, 1/n when one gets everything."""
    squares = sum(amount * amount for amount in amounts)
    if squares == 0:
        return math.nan
    return sum(amounts) ** 2 / (len(amounts) * squares)


def highest(meets: Callable[[float], bool], low: float, high: float, steps: int) -> float:
    """By bisection, the highest value for which `meets` holds; 0 where it fails even at `low`.

    `meets` is taken to hold up to some value and to fail from there on. The answer is exact to
    `(high - low) / 2**steps`.
    """
    if not meets(low):
        return 0.0
    for _ in range(steps):
        middle = (low + high) / 2
        if meets(middle):
            low = middle
        else:
            high = middle
    return low


def summary(values: Sequence[float | None]) -> tuple[float, float] | None:
    """Mean and standard deviation over seeds; None where a seed had no value."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else 0.0
