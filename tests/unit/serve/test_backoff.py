"""How long a dead child waits."""

import pytest

from orfeon.serve.backoff import Backoff
from tests.fakes.clock import FakeClock


def test_the_first_death_costs_no_wait_and_every_other_twice_the_last_up_to_a_bound() -> None:
    backoff = Backoff(clock=FakeClock())

    assert [backoff.died() for _ in range(9)] == [0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


@pytest.mark.parametrize(("well_for", "next_wait"), [(29.9, 0.4), (30.0, 0.0)])
def test_deaths_are_forgotten_after_half_a_minute_of_health(
    well_for: float, next_wait: float
) -> None:
    clock = FakeClock()
    backoff = Backoff(clock=clock)
    backoff.died()
    backoff.died()

    backoff.well(True)
    clock.advance(well_for)
    backoff.well(True)
    assert backoff.died() == next_wait


def test_a_child_that_falls_ill_starts_its_half_minute_again() -> None:
    clock = FakeClock()
    backoff = Backoff(clock=clock)
    backoff.died()

    backoff.well(True)
    clock.advance(20)
    backoff.well(False)
    backoff.well(True)
    clock.advance(20)
    assert backoff.died() == 0.2


def test_a_child_that_was_never_ready_gains_nothing_by_living_long() -> None:
    clock = FakeClock()
    backoff = Backoff(clock=clock)
    backoff.died()

    clock.advance(3600)
    assert backoff.died() == 0.2
