"""Figures of one run: waits by level, swaps, fairness, throughput, and whether targets are met."""

from bench.simulation.run import Served
from bench.simulation.statistics import jain, percentile
from bench.simulation.theory import cold_seconds
from bench.simulation.traces import HEAVY_KEY
from bench.simulation.workload import Workload

#: What is not counted at the begin of a run, while the queues are still emptier than they will be.
WARM_UP = 0.1

#: The waits that 95 % of the requests of each level have to stay within, as multiples of what a
#: request takes whose model is not in memory: 8 s, 30 s and 60 s in the reference workload.
TARGETS = (8 / 3.5, 30 / 3.5, 60 / 3.5)
TARGET_SHARE = 0.95

#: Starts of service that a time must hold in which all keys wait, to say anything of fairness.
ENOUGH_STARTS = 200

Figures = dict[str, float | None]


def figures(served: Served) -> Figures:
    """Waits in seconds (`p50_0` is the median of level 0), swaps, Jain's index, throughput."""
    found: Figures = {}
    for level, waits in enumerate(_by_level(served)):
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
            found[f"{name}_{level}"] = percentile(waits, share) if waits else None
        found[f"jain_{level}"] = fairness(served, level)
    found["swaps"] = served.loads / len(served.starts)
    found["throughput"] = len(served.starts) / served.end
    return found


def targets(workload: Workload) -> tuple[float, ...]:
    """Seconds that 95 % of the requests of each level may wait at most."""
    return tuple(multiple * cold_seconds(workload) for multiple in TARGETS)


def meets_targets(served: Served, workload: Workload) -> bool:
    """Whether each level meets its target."""
    return all(
        not waits or percentile(waits, TARGET_SHARE) <= target
        for waits, target in zip(_by_level(served), targets(workload), strict=True)
    )


def fairness(served: Served, level: int) -> float | None:
    """Jain's index of the service that the keys of a level got while all of them had requests
    waiting; None where that was hardly ever the case."""
    events = _queue_events(served, level)
    keys = sorted({key for _, _, key, _ in events})
    waiting = dict.fromkeys(keys, 0)
    attained = dict.fromkeys(keys, 0.0)
    empty, starts = len(keys), 0
    for _, change, key, seconds in events:
        if change < 0 and not empty:
            attained[key] += seconds
            starts += 1
        before, waiting[key] = waiting[key], waiting[key] + change
        empty += (waiting[key] == 0) - (before == 0)
    return jain(list(attained.values())) if starts >= ENOUGH_STARTS else None


def _queue_events(served: Served, level: int) -> list[tuple[float, int, str, float]]:
    """Arrivals (+1) and starts of service (-1) in order, with key and seconds of service."""
    events = []
    for request, start in zip(served.trace, served.starts, strict=True):
        if request.level == level:
            events.append((request.arrival, 1, request.key, 0.0))
            events.append((start, -1, request.key, request.seconds))
    return sorted(events, key=lambda event: (event[0], -event[1]))


def _by_level(served: Served) -> tuple[list[float], ...]:
    """Waits of each level, less those of the warm-up."""
    waits: tuple[list[float], ...] = ([], [], [])
    skipped = int(len(served.starts) * WARM_UP)
    for level, wait in list(zip(served.trace.levels, served.waits, strict=True))[skipped:]:
        waits[level].append(wait)
    return waits


def key_figures(served: Served, level: int) -> Figures:
    """Figures of a run whose requests are all of one level: the heavy user's, and the others'."""
    heavy: list[float] = []
    light: list[float] = []
    for key, wait in zip(served.trace.keys, served.waits, strict=True):
        (heavy if key == HEAVY_KEY else light).append(wait)
    return {
        "jain": fairness(served, level),
        "heavy_p95": percentile(heavy, 0.95),
        "light_p95": percentile(light, 0.95),
        "light_max": max(light),
        "swaps": served.loads / len(served.starts),
        "throughput": len(served.starts) / served.end,
    }
