"""Nodes, and the GPUs that they offer to pods."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from orfeon.cluster.api import Object

Profile = Literal["whole", "mig", "shared"]

VENDOR = "nvidia.com/"
PRESENT = "nvidia.com/gpu.present"
_GPU = "nvidia.com/gpu"
_KEEPS_OUT = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Gpu:
    """GPUs of one name on a node: so many places for pods, so many of them free.

    `free` is None where it could not be read which pods there are.
    """

    resource: str
    profile: Profile
    places: int
    free: int | None


@dataclass(frozen=True)
class Taint:
    """What keeps pods from a node that do not tolerate it."""

    key: str
    value: str
    effect: str

    def toleration(self) -> dict[str, str]:
        """What a pod says that tolerates it."""
        return {"key": self.key, "operator": "Exists", "effect": self.effect}


@dataclass(frozen=True)
class Node:
    """A node that is ready or not; `product` is what GPU feature discovery calls its GPU."""

    name: str
    ready: bool
    arch: str
    cpu: str
    memory: str
    product: str
    labelled: bool
    gpus: tuple[Gpu, ...] = ()
    taints: tuple[Taint, ...] = field(default=())

    @property
    def is_open(self) -> bool:
        """Whether pods without tolerations find a place."""
        return self.ready and not self.taints

    def offers(self, profile: str) -> list[Gpu]:
        """Its GPUs of one profile, if pods get there."""
        return [gpu for gpu in self.gpus if self.ready and gpu.profile == profile]


def read_nodes(nodes: Iterable[Object], pods: Iterable[Object] | None) -> tuple[Node, ...]:
    """Nodes as the API tells them. `pods` are those that take GPUs away; None if unknown."""
    used = None if pods is None else _used(pods)
    return tuple(_node(each, used) for each in nodes)


def requested(pod: Object) -> Counter[str]:
    """How many of each GPU resource a pod asks for."""
    asked: Counter[str] = Counter()
    for container in (pod.get("spec") or {}).get("containers") or []:
        limits = (container.get("resources") or {}).get("limits") or {}
        for name, count in limits.items():
            if name.startswith(VENDOR) and str(count).isdecimal():
                asked[name] += int(count)
    return asked


def _used(pods: Iterable[Object]) -> dict[str, Counter[str]]:
    used: dict[str, Counter[str]] = {}
    for pod in pods:
        phase = (pod.get("status") or {}).get("phase")
        node = (pod.get("spec") or {}).get("nodeName")
        if node and phase not in ("Succeeded", "Failed"):
            used.setdefault(node, Counter()).update(requested(pod))
    return used


def _node(node: Object, used: Mapping[str, Counter[str]] | None) -> Node:
    name = node["metadata"]["name"]
    labels = node["metadata"].get("labels") or {}
    spec, status = node.get("spec") or {}, node.get("status") or {}
    offered = status.get("allocatable") or {}
    taken = None if used is None else used.get(name, Counter())
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or []}
    return Node(
        name=name,
        ready=conditions.get("Ready") == "True" and not spec.get("unschedulable"),
        arch=labels.get("kubernetes.io/arch", ""),
        cpu=str(offered.get("cpu", "")),
        memory=str(offered.get("memory", "")),
        product=labels.get("nvidia.com/gpu.product", ""),
        labelled=labels.get(PRESENT) == "true",
        gpus=tuple(
            Gpu(resource, profile, int(count), _free(int(count), resource, taken))
            for resource, count in sorted(offered.items())
            if (profile := _profile(resource, labels)) and str(count).isdecimal() and int(count)
        ),
        taints=tuple(
            Taint(each["key"], each.get("value") or "", each["effect"])
            for each in spec.get("taints") or []
            if each.get("effect") in _KEEPS_OUT
        ),
    )


def _free(count: int, resource: str, taken: Counter[str] | None) -> int | None:
    return None if taken is None else max(0, count - taken[resource])


def _profile(resource: str, labels: Mapping[str, str]) -> Profile | None:
    if resource.startswith("nvidia.com/mig-"):
        return "mig"
    if resource == "nvidia.com/gpu.shared":
        return "shared"
    if resource != _GPU:
        return None
    if labels.get("nvidia.com/gpu.sharing-strategy", "none") != "none":
        return "shared"
    # With the strategy "single" slices are called as whole GPUs are.
    return "mig" if "-MIG-" in labels.get("nvidia.com/gpu.product", "") else "whole"
