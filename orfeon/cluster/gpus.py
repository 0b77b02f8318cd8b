"""GPUs: which profile fits a cluster, and whether there is a place for every pod."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from orfeon.cluster.facts import Facts
from orfeon.cluster.findings import Finding, Topic, Values, lookup, merged
from orfeon.cluster.nodes import PRESENT, Node, Profile, Taint

GPUS = Topic("GPUs")
RUNTIME = Topic("runtime class")
#: Capabilities that use a GPU where there is one, those first that gain the most by it.
CAPABILITIES = ("chat", "speech", "lyrics", "melody", "emotion", "images")
#: Those of them that compute on Triton where that is on.
ON_TRITON = ("speech", "melody", "emotion", "images")
PROFILES: tuple[Profile, ...] = ("whole", "mig", "shared")
RESOURCES = {
    "whole": "nvidia.com/gpu",
    "mig": "nvidia.com/mig-1g.10gb",
    "shared": "nvidia.com/gpu.shared",
}
RUNTIME_CLASS = "nvidia"
_TOLERATED = Taint("nvidia.com/gpu", "", "NoSchedule")


def values(facts: Facts, given: Mapping[str, Any]) -> Values:
    """What to set for the GPUs that are free. `given` values go before it."""
    nodes = facts.nodes
    if nodes is None:
        return {}
    needed = pods(given)
    profile = str(lookup(given, "gpu.profile") or _best(nodes, sum(needed.values()), given))
    free = _free(nodes, profile)
    if not free:
        return {"gpu": {"profile": profile}}
    resource = str(lookup(given, f"gpu.{profile}.resource") or free.most_common(1)[0][0])
    having = [node for node in nodes if any(g.resource == resource for g in node.offers(profile))]
    gpu: Values = {"profile": profile, profile: {"resource": resource}}
    if profile == "shared":
        gpu[profile]["replicas"] = free[resource]
    if RUNTIME_CLASS in (facts.runtime_classes or ()):
        gpu["runtimeClassName"] = RUNTIME_CLASS
    if having and not any(node.labelled for node in having):
        # Helm takes a default away by null.
        gpu["nodeSelector"] = {PRESENT: None}
    taints = {taint for node in having for taint in node.taints if taint.key != _TOLERATED.key}
    if taints:
        tolerated = [_TOLERATED, *sorted(taints, key=lambda each: each.key)]
        gpu["tolerations"] = [taint.toleration() for taint in tolerated]
    return {"gpu": gpu, **_on_cpu(needed, free[resource])}


def pods(given: Mapping[str, Any]) -> dict[str, int]:
    """Pods that want a GPU of the profile's own resource, by capability or `triton`."""
    triton = bool(lookup(given, "triton.enabled"))
    wanted = {
        name: _count(_capability(given, name))
        for name in CAPABILITIES
        if _wants(given, name, triton)
    }
    if triton and lookup(given, "triton.gpu.enabled", True):
        wanted["triton"] = _count(lookup(given, "triton", {}))
    return wanted


def findings(facts: Facts, wanted: Mapping[str, Any]) -> list[Finding]:
    """Whether what the values want is there."""
    if facts.nodes is None:
        return [
            GPUS.unknown(
                "This account may not list nodes: ask whoever runs the "
                "cluster which GPUs it has, and set gpu.profile to whole, mig or shared.",
            )
        ]
    profile = str(lookup(wanted, "gpu.profile", "cpu"))
    if profile == "cpu":
        return [_without(facts.nodes)]
    resource = str(lookup(wanted, f"gpu.{profile}.resource", RESOURCES.get(profile)))
    needed = sum(pods(wanted).values())
    free = _free(facts.nodes, profile)[resource]
    if not free:
        offered = sorted({gpu.resource for node in facts.nodes for gpu in node.gpus})
        there = f"it offers {', '.join(offered)}" if offered else "no node offers any GPU"
        return [
            GPUS.missing(
                f"gpu.profile is {profile}, and no {resource} is free: "
                f"{there}. Install NVIDIA's GPU operator, or set gpu.profile to what there "
                "is.",
            )
        ]
    if needed > free:
        found = GPUS.missing(
            f"{needed} pods want {resource}, and {free} are free: "
            "set capabilities.<name>.gpu.enabled to false for some.",
        )
    else:
        products = sorted({n.product for n in facts.nodes if n.offers(profile) and n.product})
        kind = f" ({', '.join(products)})" if products else ""
        found = GPUS.ok(f"{free} of {resource} are free{kind}, {needed} are needed.")
    return [found, *_named(facts.nodes, wanted), *_runtime(facts, wanted)]


def _named(nodes: Sequence[Node], wanted: Mapping[str, Any]) -> list[Finding]:
    """What is missing of the resources that components name for themselves."""
    offered = {gpu.resource for node in nodes if node.ready for gpu in node.gpus}
    paths = [*(f"capabilities.{name}" for name in CAPABILITIES), "triton"]
    return [
        GPUS.missing(f"{path}.gpu.resource is {resource}, which no node offers: name another.")
        for path in paths
        if (resource := lookup(wanted, f"{path}.gpu.resource")) and str(resource) not in offered
    ]


def _runtime(facts: Facts, wanted: Mapping[str, Any]) -> list[Finding]:
    if facts.runtime_classes is None:
        return [RUNTIME.unknown("This account may not list RuntimeClasses.")]
    name = str(lookup(wanted, "gpu.runtimeClassName") or "")
    if name and name not in facts.runtime_classes:
        return [
            RUNTIME.missing(
                f"gpu.runtimeClassName is {name}, which the "
                "cluster does not have: empty it where NVIDIA's runtime is the default.",
            )
        ]
    if not name:
        return [
            RUNTIME.hint(
                f"There is no RuntimeClass {RUNTIME_CLASS}: the "
                "nodes' default runtime has to be NVIDIA's, or pods see no GPU.",
            )
        ]
    return [RUNTIME.ok(f"{name} gives containers their GPUs.")]


def _without(nodes: Sequence[Node]) -> Finding:
    offered = sorted({gpu.resource for node in nodes for gpu in node.gpus})
    if offered:
        return GPUS.hint(
            f"gpu.profile is cpu, though nodes offer "
            f"{', '.join(offered)}: they are taken, or not wanted.",
        )
    if silent := sorted(node.name for node in nodes if node.labelled):
        return GPUS.hint(
            f"{', '.join(silent)} is labelled to have GPUs and offers "
            "none: NVIDIA's device plugin does not run there.",
        )
    return GPUS.ok("No node offers a GPU: everything computes on CPUs.")


def _best(nodes: Sequence[Node], needed: int, given: Mapping[str, Any]) -> str:
    """The first profile with a place for all; else the one with the most places."""
    places = {profile: max(_free(nodes, profile).values(), default=0) for profile in PROFILES}
    if lookup(given, "arbiter.enabled"):
        # Slices share no memory that it could divide.
        places["mig"] = 0
    for profile in PROFILES:
        if places[profile] and places[profile] >= needed:
            return profile
    most = max(PROFILES, key=lambda profile: places[profile])
    return most if places[most] else "cpu"


def _free(nodes: Sequence[Node], profile: str) -> Counter[str]:
    """Places that are free, or all of them where that is unknown, by resource."""
    free: Counter[str] = Counter()
    for node in nodes:
        for gpu in node.offers(profile):
            free[gpu.resource] += gpu.places if gpu.free is None else gpu.free
    return +free


def _wants(given: Mapping[str, Any], name: str, triton: bool) -> bool:
    own = _capability(given, name)
    engine = lookup(own, "engine")
    if not engine and triton and name in ON_TRITON:
        engine = "triton" if lookup(given, f"triton.capabilities.{name}.enabled", True) else ""
    return bool(
        engine not in ("fake", "triton")
        and lookup(own, "enabled", True)
        and lookup(own, "gpu.enabled", True)
        and not lookup(own, "gpu.resource")
    )


def _capability(given: Mapping[str, Any], name: str) -> Values:
    """What values say of a capability: for itself, or for all."""
    parts = (lookup(given, path) for path in ("capabilityDefaults", f"capabilities.{name}"))
    defaults, own = (part if isinstance(part, Mapping) else {} for part in parts)
    return merged(defaults, own)


def _count(own: Mapping[str, Any]) -> int:
    """The pods that a component may have, times the GPUs of each."""
    replicas = lookup(own, "replicas", 1)
    each = lookup(own, "gpu.count", 1)
    if lookup(own, "autoscaling.by", "none") != "none":
        replicas = lookup(own, "autoscaling.maxReplicas", 4)
    return replicas * each if isinstance(replicas, int) and isinstance(each, int) else 1


def _on_cpu(needed: Mapping[str, int], free: int) -> Values:
    """The capabilities for which no place is left, turned to their CPU."""
    left = free - needed.get("triton", 0)
    without = {}
    for name in CAPABILITIES:
        if name not in needed:
            continue
        if needed[name] > left:
            without[name] = {"gpu": {"enabled": False}}
        else:
            left -= needed[name]
    return {"capabilities": without} if without else {}
