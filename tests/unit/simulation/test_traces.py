"""Generated traces have the statistics they claim; recorded ones are read or refused by line."""

import statistics
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from bench.simulation.traces import BURST_RATE, generate, read
from bench.simulation.workload import workloads

REFERENCE = workloads()["reference"]
HEADER = "arrival,level,key,model,seconds\n"


def gaps(arrivals: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(arrivals)]


def variation(values: list[float]) -> float:
    """Squared coefficient of variation: 1 for exponential gaps, more for bursts."""
    return statistics.pvariance(values) / statistics.fmean(values) ** 2


@pytest.mark.parametrize("process", ["poisson", "bursty"])
def test_arrivals_come_once_a_second_on_average_and_in_order(process: str) -> None:
    arrivals = generate(REFERENCE, process, 40_000, seed=1).arrivals
    assert arrivals == sorted(arrivals)
    assert statistics.fmean(gaps(arrivals)) == pytest.approx(1, rel=0.1)


def test_poisson_gaps_vary_as_exponential_ones_and_bursty_ones_more() -> None:
    poisson = gaps(generate(REFERENCE, "poisson", 40_000, seed=1).arrivals)
    bursty = gaps(generate(REFERENCE, "bursty", 40_000, seed=1).arrivals)
    assert variation(poisson) == pytest.approx(1, rel=0.05)
    assert variation(bursty) > 5
    assert statistics.median(bursty) < statistics.median(poisson) / (BURST_RATE - 1)


def test_models_levels_and_keys_come_in_their_shares() -> None:
    workload = workloads()["skewed"]
    trace = generate(workload, "poisson", 40_000, seed=2)
    models, levels, keys = Counter(trace.models), Counter(trace.levels), Counter(trace.keys)
    for model in workload.models:
        assert models[model.name] / len(trace) == pytest.approx(model.share, abs=0.01)
    for level, share in enumerate(workload.levels):
        assert levels[level] / len(trace) == pytest.approx(share, abs=0.01)
    assert keys["key-0"] / len(trace) == pytest.approx(0.5, abs=0.01)
    assert statistics.fmean(trace.seconds) == pytest.approx(0.5, rel=0.03)


def test_a_seed_repeats_and_another_differs() -> None:
    first, again, other = (generate(REFERENCE, "bursty", 50, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_another_rate_changes_the_times_of_arrival_alone() -> None:
    slow = generate(REFERENCE, "poisson", 100, seed=1)
    fast = slow.at_rate(4.0)
    assert fast.arrivals == [arrival / 4 for arrival in slow.arrivals]
    assert fast.models == slow.models
    assert fast.seconds == slow.seconds


def test_a_recorded_trace_is_read_in_order_of_arrival(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(HEADER + "2.5,0,anna,b,0.5\n1.0,2,otto,a,0.25\n")
    first, second = read(path, REFERENCE)
    assert first == (1.0, 2, "otto", "a", 0.25)
    assert second == (2.5, 0, "anna", "b", 0.5)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1,3,anna,a,0.5", "level 3"),
        ("1,0,anna,zebra,0.5", "zebra"),
        ("-1,0,anna,a,0.5", "negative"),
        ("1,0,anna,a,nan", "finite"),
        ("soon,0,anna,a,0.5", "soon"),
        ("1,0,anna", "line 3"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(HEADER + "1,0,anna,a,0.5\n" + line + "\n")
    with pytest.raises(ValueError, match=rf"line 3.*{complaint}|{complaint}"):
        read(path, REFERENCE)
