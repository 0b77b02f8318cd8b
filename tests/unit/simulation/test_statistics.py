"""The figures that the simulation reports."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.simulation.statistics import highest, jain, percentile, summary


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [
        1, 50, 95, 99, 100,
    ]  # fmt: skip
    assert percentile([7.0], 0.95) == 7.0
    assert math.isnan(percentile([], 0.5))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_not_exceeded_by_its_share(values: list[float], share: float) -> None:
    bound = percentile(values, share)
    assert sum(value <= bound for value in values) >= share * len(values) - 1e-9


def test_equal_shares_are_fair_and_one_winner_is_not() -> None:
    assert jain([3.0, 3.0, 3.0]) == pytest.approx(1)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(1 / 4)
    assert jain([0.5, *[0.1] * 5]) == pytest.approx(1 / (6 * 0.30))
    assert math.isnan(jain([0.0, 0.0]))


@given(st.floats(0.1, 9.9))
def test_the_highest_value_that_meets_is_found(limit: float) -> None:
    found = highest(lambda value: value <= limit, low=0.05, high=10.0, steps=12)
    assert limit - 10 / 2**12 <= found <= limit


def test_nothing_is_good_when_even_the_lowest_fails() -> None:
    assert highest(lambda _: False, low=0.1, high=1.0, steps=5) == 0.0


def test_a_summary_is_mean_and_deviation_of_all_seeds_or_none() -> None:
    assert summary([1.0, 3.0]) == pytest.approx((2.0, math.sqrt(2)))
    assert summary([4.0]) == (4.0, 0.0)
    assert summary([1.0, None]) is None
    assert summary([]) is None
