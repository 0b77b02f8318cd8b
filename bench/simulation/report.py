"""Writes the figures into docs/simulation.md, between markers; what is around them stays."""

import re
from collections.abc import Iterable, Sequence

from bench.simulation.disciplines import disciplines
from bench.simulation.figures import targets
from bench.simulation.results import Row, find, mean
from bench.simulation.study import (
    DEVICE_LOADS,
    DEVICES,
    FAIRNESS_LOADS,
    POLICIES,
    SETTINGS,
)
from bench.simulation.theory import affinity_limit, fifo_capacity
from bench.simulation.workload import workloads

#: Loads that the page's table of waits shows; the results file holds all.
SHOWN_LOADS = (0.5, 0.75, 1.0, 1.5, 2.0)
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(page: str, rows: Sequence[Row]) -> str:
    """The page with every block brought up to date. Raises `KeyError` for an unknown block."""
    blocks = {
        "summary": summary,
        "settings": settings,
        "goodput": goodput,
        "waits": waits,
        "devices": devices,
        "fairness": fairness,
        "million": million,
    }

    def block(match: re.Match[str]) -> str:
        return f"{match[1]}{blocks[match[2]](rows)}\n{match[3]}"

    return _BLOCK.sub(block, page)


def summary(rows: Sequence[Row]) -> str:
    """The headline figures, in sentences."""

    def at_three_quarters(policy: str, figure: str) -> float:
        wanted = {"kind": "waits", "workload": "reference", "trace": "poisson"}
        return mean(find(rows, **wanted, load=0.75, policy=policy), figure)

    def ratio(figure: str) -> float:
        return at_three_quarters("orfeon", figure) / at_three_quarters("fifo", figure)

    lines = [
        f"- **Goodput**, the highest load at which 95 % of each level stay within their target: "
        f"{_times(rows, 'reference', 'poisson')} times FIFO's on the reference workload, "
        f"{_times(rows, 'reference', 'bursty')} times when requests come in bursts; "
        f"{_times(rows, 'measured', 'poisson')} and {_times(rows, 'measured', 'bursty')} times "
        "with this product's own models, which load quickly.",
        f"- **Urgent work** at three quarters of FIFO's capacity: 95 % of level 0 begin within "
        f"{at_three_quarters('orfeon', 'p95_0'):.1f} s instead of FIFO's "
        f"{at_three_quarters('fifo', 'p95_0'):.1f} s, a factor of {1 / ratio('p95_0'):.1f}.",
        f"- **Background work** at the same load: 99 % of level 2 begin within "
        f"{at_three_quarters('orfeon', 'p99_2'):.1f} s, with FIFO "
        f"{at_three_quarters('fifo', 'p99_2'):.1f} s, with strict priorities "
        f"{at_three_quarters('priority', 'p99_2'):.1f} s, with the thesis' rule "
        f"{at_three_quarters('thesis', 'p99_2'):.1f} s. The longest wait of level 2 is "
        f"{at_three_quarters('orfeon', 'max_2'):.1f} s, with FIFO "
        f"{at_three_quarters('fifo', 'max_2'):.1f} s.",
    ]
    return "\n".join(lines)


def settings(_rows: Sequence[Row]) -> str:
    """What differs between workloads, seconds."""
    table = []
    for workload in workloads().values():
        _, normal, background = disciplines(workload)["orfeon"].policy.max_wait
        table.append(
            [
                workload.name,
                f"{fifo_capacity(workload):.3f}",
                f"{affinity_limit(workload):.2f}",
                " / ".join(f"{target:.1f}" for target in targets(workload)),
                f"{normal:.1f} / {background:.1f}",
            ]
        )
    head = [
        "workload",
        "FIFO's capacity, per second",
        "limit, in multiples of it",
        "targets",
        "`max_wait`",
    ]
    return _table(head, table)


def goodput(rows: Sequence[Row]) -> str:
    """Goodput of every policy, in multiples of FIFO's capacity, mean and deviation."""
    table = []
    for workload, trace in SETTINGS:
        wanted = {"kind": "goodput", "workload": workload, "trace": trace}
        found = [find(rows, **wanted, policy=policy) for policy in POLICIES]
        cells = [_spread(row, "goodput") for row in found]
        table.append([workload, trace, *cells, _times(rows, workload, trace)])
    return _table(["workload", "arrivals", *POLICIES, "orfeon ÷ fifo"], table)


def waits(rows: Sequence[Row]) -> str:
    """p95 of each level and more by load and policy: reference workload, one device."""
    wanted = {"kind": "waits", "workload": "reference", "trace": "poisson"}
    table = []
    for load in SHOWN_LOADS:
        for policy in POLICIES:
            row = find(rows, **wanted, load=load, policy=policy)
            figures = ("p95_0", "p95_1", "p95_2", "p99_2", "max_2", "swaps", "throughput")
            table.append([f"{load:g}", policy, *(_spread(row, name) for name in figures)])
    head = [
        "load", "policy", "level 0 p95", "level 1 p95", "level 2 p95", "level 2 p99",
        "level 2 longest", "loads per request", "served per second",
    ]  # fmt: skip
    return _table(head, table)


def devices(rows: Sequence[Row]) -> str:
    """p95 of level 0 by number of devices."""
    table = []
    for load in DEVICE_LOADS:
        for policy in POLICIES:
            found = [
                find(rows, kind="devices", devices=number, load=load, policy=policy)
                for number in DEVICES
            ]
            table.append([f"{load:g}", policy, *(_spread(row, "p95_0") for row in found)])
    return _table(["load", "policy", *(f"{number}" for number in DEVICES)], table)


def fairness(rows: Sequence[Row]) -> str:
    """What one user who floods the queue costs the others."""
    some, all_ = FAIRNESS_LOADS
    table = []
    for level in (1, 2):
        for policy in POLICIES:
            one = find(rows, kind="fairness", level=level, load=some, policy=policy)
            every = find(rows, kind="fairness", level=level, load=all_, policy=policy)
            cells = [_spread(one, "heavy_p95"), _spread(one, "light_p95"), _spread(every, "jain")]
            table.append([f"{level}", policy, *cells])
    head = ["level", "policy", "heavy user's p95", "other users' p95", "Jain's index"]
    return _table(head, table)


def million(rows: Sequence[Row]) -> str:
    """The long run, in a sentence."""
    row = find(rows, kind="million")
    elapsed, requests = mean(row, "elapsed"), row["requests"]
    return (
        f"{requests:,} requests on {row['devices']} devices, {mean(row, 'virtual_hours'):.1f} "
        f"virtual hours at load {row['load']:g}, took {elapsed:.0f} s of one core: "
        f"{elapsed / requests * 1e6:.0f} µs a request."
    )


def _times(rows: Sequence[Row], workload: str, trace: str) -> str:
    wanted = {"kind": "goodput", "workload": workload, "trace": trace}
    ours, fifo = (find(rows, **wanted, policy=policy) for policy in ("orfeon", "fifo"))
    return f"{mean(ours, 'goodput') / mean(fifo, 'goodput'):.1f}"


def _spread(row: Row, figure: str) -> str:
    """Mean ± standard deviation over the seeds, `–` where the run does not say."""
    if row[figure] is None:
        return "–"
    value, deviation = row[figure]
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} ± {deviation:,.{digits}f}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *lines])
