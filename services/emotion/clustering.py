"""Vectors that belong together: agglomerative clustering by the cosine, in bounded time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

#: So many vectors are compared each with each. Of more, blocks of so many are clustered first.
_TOGETHER = 400
#: Clusters that a block becomes at most, and how alike its vectors must be to become one early.
_OF_BLOCK, _ALIKE = 40, 0.85


@dataclass(frozen=True, slots=True)
class Clusters:
    """`of` says for each vector to which cluster it belongs, `(vectors,)`; `centres` has shape
    `(clusters, dimensions)`, each of length 1."""

    of: Places
    centres: Floats


def clustered(vectors: Floats, *, alike: float, count: int = 0) -> Clusters:
    """Clusters of vectors of length 1, shape `(vectors, dimensions)`, at least one of them.

    The two clusters whose members are most alike on average become one, again and again, until
    there are `count` of them; or, for 0, until none are as much `alike`, a cosine. Then each vector
    goes to the centre that it is nearest to. Memory is that of the vectors, time grows with their
    number and not with its square.
    """
    points, weights = vectors, np.ones(len(vectors))
    while len(points) > _TOGETHER:
        points, weights = _condensed(points, weights)
    centres, _ = _merged(points, weights, alike, count or 1, stop=not count)
    of = np.argmax(vectors @ centres.T, axis=1)
    kept = np.unique(of)
    centres = np.stack([_unit(vectors[of == each].sum(axis=0)) for each in kept])
    return Clusters(np.searchsorted(kept, of), centres)


def _condensed(points: Floats, weights: NDArray[np.float64]) -> tuple[Floats, NDArray[np.float64]]:
    centres, counts = [], []
    for at in range(0, len(points), _TOGETHER):
        part = slice(at, at + _TOGETHER)
        found, weighs = _merged(points[part], weights[part], _ALIKE, _OF_BLOCK, stop=False)
        centres.append(found)
        counts.append(weighs)
    return np.concatenate(centres), np.concatenate(counts)


def _merged(
    points: Floats, weights: NDArray[np.float64], alike: float, least: int, *, stop: bool
) -> tuple[Floats, NDArray[np.float64]]:
    """The centres of clusters, and their weights. There are at least `least` of them, and with
    `stop` as many more as are not `alike`."""
    sums = points * weights[:, None]
    weights = weights.copy()
    similar = points.astype(np.float64) @ points.T
    np.fill_diagonal(similar, -np.inf)
    left = len(points)
    while left > least:
        one, other = divmod(int(similar.argmax()), len(points))
        if stop and similar[one, other] < alike:
            break
        share = weights[one] / (weights[one] + weights[other])
        mean = share * similar[one] + (1 - share) * similar[other]
        mean[one] = mean[other] = -np.inf
        similar[one] = similar[:, one] = mean
        similar[other] = similar[:, other] = -np.inf
        sums[one] += sums[other]
        weights[one] += weights[other]
        weights[other] = 0
        left -= 1
    alive = weights > 0
    return np.stack([_unit(each) for each in sums[alive]]), weights[alive]


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)
