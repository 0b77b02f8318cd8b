"""What is read from a run, on runs small enough to work out by hand."""

import pytest

from bench.simulation import figures as module
from bench.simulation.figures import fairness, figures, key_figures, meets_targets, targets
from bench.simulation.run import Served
from bench.simulation.traces import HEAVY_KEY, Trace
from bench.simulation.workload import workloads

REFERENCE = workloads()["reference"]


def run_of(*requests: tuple[float, int, str, float], seconds: float = 1.0) -> Served:
    """Requests as (arrival, level, key, start)."""
    arrivals, levels, keys, starts = (list(column) for column in zip(*requests, strict=True))
    count = len(requests)
    return Served(Trace(arrivals, levels, keys, ["a"] * count, [seconds] * count), starts, 3)


def test_waits_are_by_level_and_the_begin_is_left_out() -> None:
    first = [(0.0, 0, "anna", 1000.0)]
    later = [(float(at), at % 3, "anna", at + 2.0 + at % 3) for at in range(1, 10)]
    found = figures(run_of(*first, *later))
    assert [found[f"max_{level}"] for level in range(3)] == [2.0, 3.0, 4.0]
    assert found["p50_0"] == 2.0
    assert found["swaps"] == 0.3
    assert found["throughput"] == pytest.approx(10 / 1001)


def test_targets_are_eight_thirty_and_sixty_seconds_for_the_reference() -> None:
    assert targets(REFERENCE) == pytest.approx((8, 30, 60))


@pytest.mark.parametrize(("late", "met"), [(1, True), (2, False)])
def test_one_in_twenty_may_miss_its_target(late: int, met: bool) -> None:
    requests = [(float(at), 0, "anna", at + 7.9) for at in range(24)]
    # The first tenth is not counted, and 22 requests are left.
    requests[10:10 + late] = [(10.0 + at, 0, "anna", 50.0) for at in range(late)]  # fmt: skip
    assert meets_targets(run_of(*requests), REFERENCE) is met


def test_fairness_counts_only_while_all_keys_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH_STARTS", 1)
    # Anna is served at 1, Otto at 2, Anna at 3; then she waits no longer, whatever Otto gets.
    both = [(0.0, 1, key, start) for key, start in (("anna", 1.0), ("otto", 2.0), ("anna", 3.0))]
    alone = [(0.0, 1, "otto", float(start)) for start in range(4, 20)]
    assert fairness(run_of(*both, *alone), 1) == pytest.approx(3**2 / (2 * (2**2 + 1**2)))


def test_few_starts_say_nothing_of_fairness() -> None:
    assert fairness(run_of((0.0, 1, "anna", 1.0), (0.0, 1, "otto", 2.0)), 1) is None


def test_the_heavy_user_is_told_from_the_others() -> None:
    found = key_figures(run_of((0.0, 1, HEAVY_KEY, 9.0), (0.0, 1, "key-1", 1.0)), 1)
    assert (found["heavy_p95"], found["light_p95"], found["light_max"]) == (9.0, 1.0, 1.0)
