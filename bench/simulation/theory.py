"""What queueing theory says of simple cases, to check the simulation against. Times in seconds."""

from collections.abc import Sequence

from bench.simulation.workload import Workload


def mm1_wait(rate: float, seconds: float) -> float:
    """Mean wait in an M/M/1 queue: `rate` arrivals a second, `seconds` of mean service."""
    load = rate * seconds
    return load * seconds / (1 - load)


def cobham_waits(rates: Sequence[float], seconds: float) -> list[float]:
    """Mean waits by level, highest first, of a non-preemptive M/M/1 queue with priorities.

    All levels have exponential service of mean `seconds`. Cobham, Operations Research 2 (1954).
    """
    residual = sum(rates) * seconds * seconds
    waits = []
    above = 0.0
    for rate in rates:
        through = above + rate * seconds
        waits.append(residual / ((1 - above) * (1 - through)))
        above = through
    return waits


def cold_seconds(workload: Workload) -> float:
    """Seconds that a request takes on average, alone, when its model has yet to take the place of
    another: the unit of targets and of patience."""
    return sum(
        model.share * (model.seconds + model.load + model.unload) for model in workload.models
    )


def fifo_seconds(workload: Workload) -> float:
    """Seconds that first come, first served spends on a request on average: service and swaps.

    Memory holds one model, so a request of share p finds another model there with chance 1 - p.
    """
    return sum(
        model.share * (model.seconds + (1 - model.share) * (model.load + model.unload))
        for model in workload.models
    )


def fifo_capacity(workload: Workload) -> float:
    """Requests a second of one device, first come, first served: the unit of load."""
    return 1 / fifo_seconds(workload)


def affinity_limit(workload: Workload) -> float:
    """What no order of service can exceed, as a multiple of `fifo_capacity`: no swaps at all."""
    return fifo_seconds(workload) / sum(model.share * model.seconds for model in workload.models)
