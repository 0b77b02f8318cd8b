"""When requests arrive and what they are: generated, or recorded and read from a file."""

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple

from bench.simulation.workload import Workload

#: In a burst, requests come so many times as often as on average.
BURST_RATE = 4.0
#: Mean number of requests in a burst.
BURST_LENGTH = 20.0

HEAVY_KEY = "key-0"


class Request(NamedTuple):
    """One request. `arrival` and `seconds` (of service) are in virtual seconds."""

    arrival: float
    level: int
    key: str
    model: str
    seconds: float


@dataclass(frozen=True)
class Trace:
    """Requests in order of arrival, by column: a million of them must be cheap."""

    arrivals: list[float]
    levels: list[int]
    keys: list[str]
    models: list[str]
    seconds: list[float]

    def __iter__(self) -> Iterator[Request]:
        columns = (self.arrivals, self.levels, self.keys, self.models, self.seconds)
        return map(Request._make, zip(*columns, strict=True))

    def __len__(self) -> int:
        return len(self.arrivals)

    def at_rate(self, rate: float) -> "Trace":
        """The same requests in the same order, arriving `rate` times as fast."""
        return replace(self, arrivals=[arrival / rate for arrival in self.arrivals])


def poisson(random: Random, requests: int) -> list[float]:
    """Arrivals independent of one another, one a second on average."""
    return list(accumulate(random.expovariate(1.0) for _ in range(requests)))


def bursty(random: Random, requests: int) -> list[float]:
    """A Markov-modulated process: bursts and silence in turns, one a second on average.

    In a burst requests come at `BURST_RATE`; a burst of `BURST_LENGTH` requests on average is
    followed by a silence that brings the mean rate down to 1.
    """
    end_rate = BURST_RATE / BURST_LENGTH
    silence_rate = end_rate / (BURST_RATE - 1)
    now = 0.0
    arrivals: list[float] = []
    while len(arrivals) < requests:
        now += random.expovariate(BURST_RATE + end_rate)
        if random.random() * (BURST_RATE + end_rate) < BURST_RATE:
            arrivals.append(now)
        else:
            now += random.expovariate(silence_rate)
    return arrivals


#: Arrival processes at one request a second, by name.
PROCESSES: dict[str, Callable[[Random, int], list[float]]] = {"poisson": poisson, "bursty": bursty}


def generate(workload: Workload, process: str, requests: int, seed: int) -> Trace:
    """Requests of `workload` at one a second; use `Trace.at_rate` for another.

    Each column draws from a stream of its own, so that traces of one seed are alike.
    """

    def stream(column: str) -> Random:
        return Random(f"{seed} {column}")

    shares = [model.share for model in workload.models]
    models = stream("models").choices(workload.models, shares, k=requests)
    service = stream("seconds")
    keys = [f"key-{number}" for number in range(len(workload.keys))]
    return Trace(
        PROCESSES[process](stream("arrivals"), requests),
        stream("levels").choices((0, 1, 2), workload.levels, k=requests),
        stream("keys").choices(keys, workload.keys, k=requests),
        [model.name for model in models],
        [model.seconds * service.expovariate(1.0) for model in models],
    )


def read(path: Path, workload: Workload) -> Trace:
    """A recorded trace; docs/simulation.md describes the file.

    Raises `ValueError` that names the line which is not as described, or asks for a model that
    `workload` does not have.
    """
    known = {model.name for model in workload.models}
    requests: list[Request] = []
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                requests.append(_request(row, known))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path.name}, line {number}: {error}") from error
    requests.sort(key=lambda request: request.arrival)
    columns = [list(column) for column in zip(*requests, strict=True)] or [[] for _ in range(5)]
    return Trace(*columns)


def _request(row: dict[str, str], known: set[str]) -> Request:
    request = Request(
        float(row["arrival"]), int(row["level"]), row["key"], row["model"], float(row["seconds"])
    )
    if request.level not in (0, 1, 2):
        raise ValueError(f"level {request.level} is none of 0, 1, 2")
    if request.model not in known:
        raise ValueError(f"model {request.model!r} is none of {', '.join(sorted(known))}")
    if not all(math.isfinite(time) and time >= 0 for time in (request.arrival, request.seconds)):
        raise ValueError("arrival and seconds are finite and not negative")
    return request
