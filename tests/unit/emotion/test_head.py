from pathlib import Path

import numpy as np
import pytest

from services.emotion.head import Head


def head(weight: float = 1.0) -> Head:
    return Head(
        ["calm", "wild"],
        mean=np.array([1, 2, 3], np.float32),
        scale=np.array([1, 2, 1], np.float32),
        weight=np.array([[0, 0, 0], [weight, 0, 0]], np.float32),
        bias=np.array([0, 0], np.float32),
    )


def test_it_is_softmax_of_standardised_features() -> None:
    scores = head().probabilities(np.array([[1, 9, 9], [2, 0, 0]], np.float32))
    np.testing.assert_allclose(scores, [[0.5, 0.5], [0.2689, 0.7311]], atol=1e-4)


def test_huge_features_overflow_nothing() -> None:
    scores = head(1e6).probabilities(np.array([1e6, 0, 0], np.float32))
    np.testing.assert_allclose(scores, [0, 1])


def test_what_is_saved_is_read_back_without_pickle(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    head().save(path)
    again = Head.load(path)
    assert again.labels == ["calm", "wild"]
    features = np.array([3, 1, 2], np.float32)
    np.testing.assert_array_equal(again.probabilities(features), head().probabilities(features))


def test_arrays_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    broken = head()
    Head([*broken.labels, "third"], broken.mean, broken.scale, broken.weight, broken.bias).save(
        path
    )
    with pytest.raises(ValueError, match="do not fit"):
        Head.load(path)
