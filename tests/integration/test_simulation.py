"""The simulation agrees with queueing theory, which knows nothing of our scheduler."""

import math
import statistics
from dataclasses import replace
from heapq import heappop, heappush
from itertools import pairwise

import pytest

from bench.simulation.disciplines import Discipline, disciplines
from bench.simulation.run import Served, simulate
from bench.simulation.theory import affinity_limit, cobham_waits, fifo_capacity, mm1_wait
from bench.simulation.traces import Trace, generate
from bench.simulation.workload import Model, Workload, workloads

#: One model that is always in memory: nothing but waiting for others.
PLAIN = Workload("plain", (Model("a", "models", share=1.0, seconds=1.0, load=0.0),))


def served(workload: Workload, policy: str, rate: float, requests: int, seed: int = 1) -> Served:
    trace = generate(workload, "poisson", requests, seed).at_rate(rate)
    return simulate(workload, disciplines(workload)[policy], trace)


def waits_by_hand(trace: Trace, levels: bool) -> list[float]:
    """Waits for one server that ends what it has begun, by level if told so and then by arrival."""
    waits = [0.0] * len(trace)
    waiting: list[tuple[int, int]] = []
    now, coming = 0.0, 0
    for _ in trace:
        if not waiting:
            now = max(now, trace.arrivals[coming])
        while coming < len(trace) and trace.arrivals[coming] <= now:
            heappush(waiting, (trace.levels[coming] if levels else 0, coming))
            coming += 1
        _, number = heappop(waiting)
        waits[number] = now - trace.arrivals[number]
        now += trace.seconds[number]
    return waits


@pytest.mark.parametrize(("policy", "levels"), [("fifo", False), ("priority", True)])
@pytest.mark.parametrize("seed", range(3))
def test_without_swaps_everyone_waits_as_worked_out_by_hand(
    policy: str, levels: bool, seed: int
) -> None:
    run = served(PLAIN, policy, rate=0.5, requests=2000, seed=seed)
    assert run.waits == pytest.approx(waits_by_hand(run.trace, levels), abs=1e-6)


def mean_waits_by_hand(levels: bool) -> list[float]:
    """Mean wait of each level. By hand because it takes many requests to come near a mean."""
    trace = generate(PLAIN, "poisson", 150_000, seed=0).at_rate(0.5)
    waits: list[list[float]] = [[], [], []]
    for wait, level in zip(waits_by_hand(trace, levels), trace.levels, strict=True):
        waits[level].append(wait)
    return [statistics.fmean(of_level) for of_level in waits]


def test_by_hand_fifo_waits_as_mm1() -> None:
    expected = mm1_wait(0.5, 1.0)
    assert mean_waits_by_hand(levels=False) == pytest.approx([expected] * 3, rel=0.03)


def test_by_hand_priorities_wait_as_cobham_says() -> None:
    expected = cobham_waits([0.5 * share for share in PLAIN.levels], 1.0)
    assert expected[0] < expected[1] < expected[2]
    assert mean_waits_by_hand(levels=True) == pytest.approx(expected, rel=0.03)


def test_fifo_spends_a_swap_on_every_change_of_model() -> None:
    reference = workloads()["reference"]
    assert fifo_capacity(reference) == pytest.approx(0.4)
    assert affinity_limit(reference) == pytest.approx(5)
    run = served(reference, "fifo", rate=4.0, requests=3000)
    assert len(run.starts) / run.end == pytest.approx(0.4, rel=0.03)
    assert run.loads / len(run.starts) == pytest.approx(2 / 3, rel=0.03)


@pytest.mark.parametrize("workload", workloads().values(), ids=lambda workload: workload.name)
@pytest.mark.parametrize("policy", ["fifo", "priority", "thesis", "orfeon"])
def test_every_request_is_served_once_it_has_come(workload: Workload, policy: str) -> None:
    run = served(workload, policy, rate=1.5 * fifo_capacity(workload), requests=200)
    assert all(wait >= 0 for wait in run.waits)
    assert all(start > 0 for start in run.starts)


@pytest.mark.parametrize("workload", workloads().values(), ids=lambda workload: workload.name)
@pytest.mark.parametrize("max_wait", [(math.inf, math.inf, math.inf), (math.inf, 30.0, 120.0)])
@pytest.mark.parametrize("affinity", [True, False])
def test_queue_and_memory_never_wait_for_each_other(
    workload: Workload, max_wait: tuple[float, float, float], affinity: bool
) -> None:
    # At the end of a trace nobody comes any more who could set going again what stands still.
    policy = replace(disciplines(workload)["orfeon"].policy, max_wait=max_wait, affinity=affinity)
    for seed in range(6):
        trace = generate(workload, "poisson", 40, seed).at_rate(0.75 * fifo_capacity(workload))
        assert simulate(workload, Discipline("orfeon", policy), trace).end > 0


def test_a_seed_repeats_to_the_last_digit() -> None:
    reference = workloads()["reference"]
    first, again = (served(reference, "orfeon", rate=0.6, requests=300) for _ in range(2))
    assert first == again


def test_one_slot_serves_one_request_at_a_time() -> None:
    run = served(workloads()["services"], "orfeon", rate=0.6, requests=300)
    spans = sorted(zip(run.starts, run.trace.seconds, strict=True))
    for (start, seconds), (following, _) in pairwise(spans):
        assert following >= start + seconds - 1e-6


def test_devices_get_requests_in_turn_and_have_a_memory_each() -> None:
    reference = workloads()["reference"]
    trace = Trace([0.0] * 4, [1] * 4, ["anna"] * 4, ["a", "b", "a", "b"], [0.5] * 4)
    run = simulate(reference, disciplines(reference)["orfeon"], trace, devices=2)
    assert run.loads == 2
    assert run.starts == pytest.approx([3.0, 3.0, 3.5, 3.5])
