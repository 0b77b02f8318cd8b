"""What is simulated: every combination as a job of its own, for processes to work on."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from bench.simulation.disciplines import disciplines
from bench.simulation.figures import Figures, figures, key_figures, meets_targets
from bench.simulation.run import Served, simulate
from bench.simulation.statistics import highest
from bench.simulation.theory import affinity_limit, fifo_capacity
from bench.simulation.traces import generate
from bench.simulation.workload import Workload, workloads

Kind = Literal["waits", "goodput", "devices", "fairness", "million"]

POLICIES = ("fifo", "priority", "thesis", "orfeon")
SEEDS = (1, 2, 3)
#: Workloads with the arrival processes that they are simulated under.
SETTINGS = (
    ("reference", "poisson"),
    ("reference", "bursty"),
    ("skewed", "poisson"),
    ("services", "poisson"),
    ("measured", "poisson"),
    ("measured", "bursty"),
)
#: Arrival rates, as multiples of what first come, first served can serve.
LOADS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, 2.5)
DEVICES = (1, 2, 4, 8, 16, 64)
DEVICE_LOADS = (0.75, 1.5)
#: The heavy user asks for more than there is, the others for less than a fair share; then all ask
#: for more than there is.
FAIRNESS_LOADS = (6.0, 12.0)
BISECTIONS = 7
LOWEST_LOAD = 0.05

REQUESTS = 5000
REQUESTS_FOR_GOODPUT = 3000
REQUESTS_PER_DEVICE = 250
MILLION = 1_000_000


@dataclass(frozen=True)
class Job:
    """One cell of the study. `load` is a multiple of FIFO's capacity, 0 where it is sought."""

    kind: Kind
    workload: str
    trace: str
    devices: int
    load: float
    policy: str
    seed: int
    requests: int
    level: int | None = None
    """The only level of all requests, in the cells about fairness."""

    @property
    def weight(self) -> int:
        """Requests to be served in all."""
        return self.requests * (BISECTIONS + 1 if self.kind == "goodput" else 1)

    def run(self) -> Figures:
        """Simulates; figures of `figures`, or those of the kind."""
        return _KINDS[self.kind](self)

    def asked(self) -> Workload:
        """The workload."""
        workload = workloads()[self.workload]
        if self.level is None:
            return workload
        first, second, third = (float(level == self.level) for level in range(3))
        return replace(workload, levels=(first, second, third))

    def served(self, load: float) -> Served:
        """Serves the trace at a load."""
        workload = self.asked()
        trace = generate(workload, self.trace, self.requests, self.seed)
        rate = load * fifo_capacity(workload) * self.devices
        discipline = disciplines(workload)[self.policy]
        return simulate(workload, discipline, trace.at_rate(rate), self.devices)


def run(job: Job) -> Figures:
    """`Job.run`, as a function that processes can be sent."""
    return job.run()


def jobs(scale: float = 1.0) -> list[Job]:
    """All jobs, the longest first; `scale` makes traces shorter or longer."""

    def scaled(requests: float) -> int:
        return max(50, math.ceil(requests * scale))

    every = [*_waits(scaled(REQUESTS)), *_goodput(scaled(REQUESTS_FOR_GOODPUT))]
    every += _fairness(scaled(REQUESTS))
    for devices, load, policy, seed in product(DEVICES, DEVICE_LOADS, POLICIES, SEEDS):
        requests = scaled(max(REQUESTS, REQUESTS_PER_DEVICE * devices))
        every.append(Job("devices", "reference", "poisson", devices, load, policy, seed, requests))
    requests = scaled(MILLION)
    every.append(Job("million", "reference", "poisson", 64, 1.5, "orfeon", SEEDS[0], requests))
    return sorted(every, key=lambda job: -job.weight)


def _waits(requests: int) -> Iterator[Job]:
    for (workload, trace), load, policy, seed in product(SETTINGS, LOADS, POLICIES, SEEDS):
        yield Job("waits", workload, trace, 1, load, policy, seed, requests)


def _goodput(requests: int) -> Iterator[Job]:
    for (workload, trace), policy, seed in product(SETTINGS, POLICIES, SEEDS):
        yield Job("goodput", workload, trace, 1, 0.0, policy, seed, requests)


def _fairness(requests: int) -> Iterator[Job]:
    for level, load, policy, seed in product((1, 2), FAIRNESS_LOADS, POLICIES, SEEDS):
        yield Job("fairness", "reference", "poisson", 1, load, policy, seed, requests, level)


def _figures(job: Job) -> Figures:
    return figures(job.served(job.load))


def _goodput_of(job: Job) -> Figures:
    workload = job.asked()

    def meets(load: float) -> bool:
        return meets_targets(job.served(load), workload)

    return {"goodput": highest(meets, LOWEST_LOAD, affinity_limit(workload), BISECTIONS)}


def _fairness_of(job: Job) -> Figures:
    assert job.level is not None
    return key_figures(job.served(job.load), job.level)


def _million_of(job: Job) -> Figures:
    # Seconds of the processor: the other worker, and whoever else is there, does not count.
    began = time.process_time()
    served = job.served(job.load)
    elapsed = time.process_time() - began
    return figures(served) | {"elapsed": elapsed, "virtual_hours": served.end / 3600}


_KINDS = {
    "waits": _figures,
    "devices": _figures,
    "goodput": _goodput_of,
    "fairness": _fairness_of,
    "million": _million_of,
}
