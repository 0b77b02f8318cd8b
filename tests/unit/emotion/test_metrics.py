import numpy as np
import pytest

from services.emotion.metrics import report

LABELS = ["a", "b", "c"]


def test_the_figures_of_a_known_confusion() -> None:
    truth = np.array(["a", "a", "a", "b", "b", "c"])
    answers = np.array(["a", "a", "b", "b", "a", "a"])
    found = report(LABELS, truth, answers)
    assert found.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    assert found.accuracy == pytest.approx(3 / 6)
    np.testing.assert_allclose(found.precision, [2 / 4, 1 / 2, 0])
    np.testing.assert_allclose(found.recall, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(found.f1, [4 / 7, 1 / 2, 0])


def test_no_answers_give_no_figures_and_no_warning() -> None:
    nothing = np.array([], dtype=np.str_)
    assert report(LABELS, nothing, nothing).accuracy == 0
