"""Serves a trace on some devices in virtual time."""

import asyncio
from dataclasses import dataclass

from bench.simulation import virtual
from bench.simulation.disciplines import Discipline
from bench.simulation.node import Counts, Node
from bench.simulation.traces import Request, Trace
from bench.simulation.workload import Workload


@dataclass(frozen=True)
class Served:
    """What became of a trace. `starts` tells when service began, seconds, request by request."""

    trace: Trace
    starts: list[float]
    loads: int

    @property
    def waits(self) -> list[float]:
        """Seconds from arrival to the begin of service, for loads of models included."""
        arrivals = self.trace.arrivals
        return [start - arrival for start, arrival in zip(self.starts, arrivals, strict=True)]

    @property
    def end(self) -> float:
        """When the last service ended, seconds."""
        times = zip(self.starts, self.trace.seconds, strict=True)
        return max((start + seconds for start, seconds in times), default=0.0)


def simulate(workload: Workload, discipline: Discipline, trace: Trace, devices: int = 1) -> Served:
    """Deals the requests to the devices in turn, as gRPC's round robin does, until all are done."""

    async def main() -> Served:
        counts = Counts()
        nodes = [Node(workload, discipline, counts) for _ in range(devices)]
        starts = [0.0] * len(trace)

        async def serve(number: int, request: Request) -> None:
            starts[number] = await nodes[number % devices].serve(request)

        now = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as tasks:
            # Tasks are made on arrival: those of the future would only take room.
            for number, request in enumerate(trace):
                if request.arrival > now():
                    await asyncio.sleep(request.arrival - now())
                tasks.create_task(serve(number, request))
        return Served(trace, starts, counts.loads)

    return virtual.run(main)
