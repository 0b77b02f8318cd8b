"""What every release needs: a version, nodes, disks, a namespace, secrets, a network."""

import re
from collections.abc import Mapping
from typing import Any

from orfeon.cluster.facts import Class, Facts
from orfeon.cluster.findings import Finding, Level, Topic, Values, lookup, secrets_named

VERSION = Topic("version")
NODES = Topic("nodes")
DISKS = Topic("disks")
SPACE = Topic("namespace")
NETWORK = Topic("network")
SECRETS = Topic("secrets")
OLDEST = (1, 30)
#: Drivers whose volumes pods of several nodes can write.
_SHARED = ("nfs", "cephfs", "efs.", "filestore", "azurefile", "longhorn", "juicefs", "lustre")
#: Networks that heed NetworkPolicies, as their API groups and their DaemonSets are called.
_HEED = ("cilium", "calico", "antrea", "weave-net", "kube-router", "ovn", "kindnet")
_HEED_NOT = "flannel"
_ENFORCE = "pod-security.kubernetes.io/enforce"


def values(facts: Facts) -> Values:
    """What to set where the cluster has no default class of disks."""
    if facts.storage is None or any(each.is_default for each in facts.storage):
        return {}
    if not facts.storage:
        return {"gateway": {"persistence": {"enabled": False}}}
    return {"gateway": {"persistence": {"storageClass": facts.storage[0].name}}}


def findings(facts: Facts, wanted: Mapping[str, Any]) -> list[Finding]:
    """Whether what every release needs is there."""
    return [
        _version(facts),
        _nodes(facts),
        _storage(facts, wanted),
        _space(facts),
        _network(facts, wanted),
        *_secrets(facts, wanted),
    ]


def _version(facts: Facts) -> Finding:
    found = re.match(r"v?(\d+)\.(\d+)", facts.version or "")
    if found is None:
        return VERSION.unknown(
            "The server does not tell its version; 1.30 is the oldest that will do.",
        )
    if (int(found[1]), int(found[2])) < OLDEST:
        return VERSION.missing(
            f"Kubernetes is {facts.version}, and 1.30 is the "
            "oldest that will do: upgrade the cluster.",
        )
    return VERSION.ok(f"Kubernetes is {facts.version}.")


def _nodes(facts: Facts) -> Finding:
    if facts.nodes is None:
        return NODES.unknown("This account may not list nodes.")
    ready = [node for node in facts.nodes if node.ready]
    if not any(node.is_open for node in ready):
        taints = sorted({taint.key for node in ready for taint in node.taints})
        return NODES.missing(
            "No node takes pods without tolerations"
            f" (taints: {', '.join(taints) or 'none is ready'}): add one, or set "
            "gateway.tolerations and capabilityDefaults.tolerations.",
        )
    away = len(facts.nodes) - len(ready)
    rest = f" {away} more are not ready, or closed." if away else ""
    return NODES.ok(f"{len(ready)} are ready.{rest}")


def _storage(facts: Facts, wanted: Mapping[str, Any]) -> Finding:
    if facts.storage is None:
        return DISKS.unknown("This account may not list StorageClasses.")
    shared = [each.name for each in facts.storage if _is_shared(each)]
    many = (
        f"ReadWriteMany volumes, for weights and trainings: {', '.join(shared)}."
        if shared
        else "No class is known to give ReadWriteMany volumes, which models.source job, "
        "replicas of images and capabilities.training want."
    )
    default = next((each.name for each in facts.storage if each.is_default), None)
    keeps = lookup(wanted, "gateway.persistence.enabled", True)
    if not facts.storage and not lookup(wanted, "gateway.database.secretName"):
        level: Level = "missing" if keeps else "hint"
        return DISKS.say(
            level,
            "There is no StorageClass, so keys would die with the "
            "gateway's pod: name a PostgreSQL in gateway.database.secretName.",
        )
    chosen = str(lookup(wanted, "gateway.persistence.storageClass") or default)
    if keeps and chosen not in {each.name for each in facts.storage}:
        return DISKS.missing(
            f"gateway.persistence.storageClass is {chosen}, which the cluster does not have.",
        )
    return DISKS.say("ok" if shared else "hint", f"A claim is made of the class {chosen}. {many}")


def _is_shared(each: Class) -> bool:
    return any(word in each.by.lower() for word in _SHARED)


def _space(facts: Facts) -> Finding:
    name = facts.namespace
    if facts.space is None:
        return SPACE.unknown(
            f"This account may not see the namespace {name}; "
            "the chart fits the Pod Security Standard restricted.",
        )
    if not facts.space_exists:
        return SPACE.hint(f"{name} is not there yet: helm makes it by --create-namespace.")
    if level := facts.space.get(_ENFORCE):
        return SPACE.ok(
            f"{name} enforces the Pod Security Standard {level}, which the chart fits.",
        )
    return SPACE.hint(
        f"{name} enforces no Pod Security Standard; the chart fits "
        f"the strictest: kubectl label namespace {name} {_ENFORCE}=restricted",
    )


def _network(facts: Facts, wanted: Mapping[str, Any]) -> Finding:
    if not lookup(wanted, "networkPolicy.enabled", True):
        return NETWORK.hint(
            "networkPolicy.enabled is off: any pod of the cluster may call any of the release.",
        )
    known = {*(facts.groups or ()), *(facts.daemons or ())}
    heeding = sorted({word for word in _HEED for name in known if word in name})
    if heeding or "+k3s" in (facts.version or ""):
        by = heeding[0] if heeding else "k3s"
        return NETWORK.ok(f"The network ({by}) heeds policies.")
    if any(_HEED_NOT in name for name in known):
        return NETWORK.hint(
            "The network (flannel) heeds no policies: networkPolicy.enabled does nothing here.",
        )
    return NETWORK.unknown("Whether the network heeds policies cannot be told.")


def _secrets(facts: Facts, wanted: Mapping[str, Any]) -> list[Finding]:
    found = []
    for path, name in secrets_named(wanted).items():
        there = facts.secrets.get(name)
        if there is None:
            found.append(
                SECRETS.unknown(
                    f"Whether the secret {name} of {path} is "
                    f"in {facts.namespace} could not be seen.",
                )
            )
        elif there:
            found.append(SECRETS.ok(f"{name} ({path}) is there."))
        else:
            found.append(
                SECRETS.missing(
                    f"{path} names the secret {name}, which "
                    f"{facts.namespace} does not have: make it, or correct the "
                    "name.",
                )
            )
    return found
