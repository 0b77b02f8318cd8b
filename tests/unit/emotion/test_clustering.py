import numpy as np
import pytest
from numpy.typing import NDArray

from services.emotion.clustering import clustered


def vectors(*counts: int, spread: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    """So many vectors around each of some directions at right angles, of length 1."""
    rng = np.random.default_rng(seed)
    around = np.repeat(np.eye(len(counts), 16), counts, axis=0)
    around = around + rng.normal(0, spread, around.shape)
    return np.asarray(around / np.linalg.norm(around, axis=1, keepdims=True), np.float32)


def test_what_is_alike_is_one_cluster() -> None:
    found = clustered(vectors(10, 3, 7), alike=0.5)
    assert found.centres.shape == (3, 16)
    groups = np.split(found.of, [10, 13])
    assert [len(set(group.tolist())) for group in groups] == [1, 1, 1]
    assert len(set(found.of.tolist())) == 3
    assert np.allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_there_are_as_many_as_are_asked_for(count: int) -> None:
    assert len(clustered(vectors(10, 10, 10), alike=0.5, count=count).centres) == count


def test_more_clusters_than_vectors_are_as_many_as_vectors() -> None:
    assert len(clustered(vectors(2), alike=0.5, count=9).centres) == 2


def test_one_vector_is_a_cluster() -> None:
    assert clustered(vectors(1), alike=0.5).of.tolist() == [0]


@pytest.mark.parametrize("count", [0, 3])
def test_hours_are_clustered_as_minutes_are(count: int) -> None:
    many = vectors(4_000, 2_000, 1_000)
    mixed = np.random.default_rng(1).permutation(len(many))
    found = clustered(many[mixed], alike=0.5, count=count)
    assert len(found.centres) == 3
    truth = np.repeat([0, 1, 2], [4_000, 2_000, 1_000])[mixed]
    assert len(set(zip(truth.tolist(), found.of.tolist(), strict=True))) == 3


def test_vectors_of_zeros_harm_nothing() -> None:
    assert clustered(np.zeros((3, 4), np.float32), alike=0.5).of.shape == (3,)
