"""What the composer is judged by."""

import numpy as np
import pytest

from services.melody.tokens import Bar
from services.melody.training.copying import Known, steps
from services.melody.training.ngram import Ngrams
from services.melody.training.statistics import habits, similarity

TURNS = [1, 2, 3] * 50


def bar(*lead: tuple[int, int, int]) -> Bar:
    return Bar(0, None, ((0, 0, "maj"),), (), lead)


def test_ngrams_foresee_what_they_have_seen() -> None:
    ngrams = Ngrams([TURNS], order=3, tokens=5)
    assert ngrams.odds([1], 2, 3) > 0.95
    assert 0 < ngrams.odds([1], 3, 3) < 0.05
    one, two = (ngrams.loss([[1, 2, 3, 1]], [1], order) for order in (1, 2))
    assert two < 0.1 < 1 < one


@pytest.mark.parametrize("before", [[], [1], [4, 4], [1, 2], [2, 4]])
def test_odds_sum_to_one(before: list[int]) -> None:
    ngrams = Ngrams([TURNS], order=3, tokens=5)
    assert sum(ngrams.odds(before, token, 3) for token in range(5)) == pytest.approx(1)


def test_a_copy_is_found_in_another_key_and_place() -> None:
    song = [bar((0, 60, 2), (2, 62, 2), (4, 64, 2), (8, 60, 4)), bar((0, 67, 8))]
    known = Known([steps(song)])
    copy = [bar((6, 65, 2), (8, 67, 2), (10, 69, 1), (14, 65, 2)), bar((0, 50, 2))]
    assert known.longest(steps(copy)) == 4
    assert known.longest(steps(song)) == 5
    assert known.longest(steps([bar((0, 60, 2), (5, 71, 2))])) == 1


def test_habits_are_shares() -> None:
    found = habits([[bar((0, 60, 2), (4, 64, 2)), bar((0, 60, 4), (4, 72, 16))]])
    assert found.pitches[0] == 0.75
    assert found.onsets[4] == 0.5
    assert [found.lengths.sum(), found.intervals.sum()] == [1, 1]
    other = habits([[bar((0, 61, 1), (1, 62, 1))]])
    assert found.distance(found)["pitches"] == 0
    assert found.distance(other)["pitches"] == 1


def test_bars_are_like_themselves() -> None:
    matrix = similarity([bar((0, 60, 4)), bar((0, 72, 4)), bar((8, 60, 4)), bar()])
    assert np.allclose(np.diag(matrix), [1, 1, 1, 0])
    assert (matrix[0, 1], matrix[0, 2]) == (pytest.approx(1), 0)
