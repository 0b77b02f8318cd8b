"""The tables of `orfeon cluster`."""

from collections.abc import Iterable

from rich.table import Table

from orfeon.cli.output import span, table
from orfeon.cluster.findings import Finding
from orfeon.cluster.nodes import Gpu, Node
from orfeon.cluster.pods import Pod


def nodes(found: Iterable[Node]) -> Table:
    """What nodes offer, GPUs as free of all."""
    rows = table("node", "ready", "arch", "CPU", "memory", "GPUs", "product", "taints")
    for node in found:
        rows.add_row(
            node.name, "yes" if node.ready else "no", node.arch or "-", node.cpu, node.memory,
            ", ".join(map(_gpu, node.gpus)) or "-", node.product or "-",
            ", ".join(taint.key for taint in node.taints) or "-",
        )  # fmt: skip
    return rows


def findings(found: Iterable[Finding]) -> Table:
    """What a check says."""
    rows = table("topic", "", "what")
    for finding in found:
        rows.add_row(finding.topic, finding.level, finding.message)
    return rows


def pods(found: Iterable[Pod]) -> Table:
    """What runs where."""
    rows = table("component", "pod", "node", "ready", "state", "restarts", "GPU", "age")
    for pod in found:
        gpus = ", ".join(f"{count} {name}" for name, count in sorted(pod.gpus.items()))
        rows.add_row(
            pod.component, pod.name, pod.node or "-", "yes" if pod.ready else "no", pod.state,
            str(pod.restarts), gpus or "-", span(pod.age),
        )  # fmt: skip
    return rows


def _gpu(gpu: Gpu) -> str:
    free = "?" if gpu.free is None else gpu.free
    return f"{free} of {gpu.places} {gpu.resource}"
