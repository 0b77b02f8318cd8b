"""The orders of service that are compared: each a policy of the real scheduler, none a fork."""

import math
from dataclasses import dataclass, replace

from bench.simulation.theory import cold_seconds
from bench.simulation.workload import Workload
from services.runtime.scheduler import Policy

#: Nobody is refused for a full queue here: a refusal is as bad as a long wait, but hides in it.
ROOM = 10**9
NEVER = (math.inf, math.inf, math.inf)

#: Ours: `max_wait` of levels 1 and 2 as multiples of what a request takes whose model is not in
#: memory (30 s and 35 s in the reference workload), and `max_run`.
MAX_WAIT = (30 / 3.5, 35 / 3.5)
MAX_RUN = 16

_PLAIN = Policy(
    max_wait=NEVER,
    affinity=False,
    fair=False,
    max_queued=ROOM,
    max_queued_per_level=(ROOM, ROOM, ROOM),
)


@dataclass(frozen=True)
class Discipline:
    """An order of service. Without `levels`, every ticket has level 0: first come, first served."""

    name: str
    policy: Policy
    levels: bool = True


def disciplines(workload: Workload) -> dict[str, Discipline]:
    """All orders by name; times in the policies fit the workload."""
    unit = cold_seconds(workload)
    normal, background = (unit * multiple for multiple in MAX_WAIT)
    max_wait = (math.inf, normal, background)
    ours = replace(_PLAIN, max_wait=max_wait, max_run=MAX_RUN, affinity=True, fair=True)
    every = (
        Discipline("fifo", _PLAIN, levels=False),
        Discipline("priority", _PLAIN),
        Discipline("thesis", replace(_PLAIN, affinity=True)),
        Discipline("orfeon", ours),
    )
    return {discipline.name: discipline for discipline in every}
