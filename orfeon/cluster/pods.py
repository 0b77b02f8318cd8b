"""What runs of a release, where."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orfeon.cluster.api import Absent, Api, Forbidden, Object
from orfeon.cluster.nodes import requested
from orfeon.fault import Fault

_RELEASE, _COMPONENT = "app.kubernetes.io/instance", "app.kubernetes.io/component"
_PART = {"app.kubernetes.io/part-of": "orfeon"}


@dataclass(frozen=True)
class Pod:
    """A pod. `state` is its phase, or what keeps it from being ready; `age` is in seconds."""

    name: str
    release: str
    component: str
    node: str
    ready: bool
    state: str
    restarts: int
    gpus: dict[str, int]
    age: float


def read_pods(api: Api, release: str | None) -> list[Pod]:
    """The pods of a release in the namespace, by default of the only one. Raises `Fault`."""
    wanted = {**_PART, **({_RELEASE: release} if release else {})}
    selector = ",".join(f"{key}={value}" for key, value in wanted.items())
    try:
        found = api.list(f"/api/v1/namespaces/{api.namespace}/pods", {"labelSelector": selector})
    except Forbidden as error:
        raise Fault(
            f"This account may not list pods in {api.namespace}: ask for a role that may, or name "
            "another namespace by --namespace."
        ) from error
    except Absent:
        found = []
    pods = [_pod(each) for each in found if wanted.items() <= _labels(each).items()]
    if not pods:
        which = f"the release {release}" if release else "Orfeón"
        raise Fault(
            f"Nothing of {which} runs in the namespace {api.namespace}: name another by "
            "--namespace, or install it (docs/operations.md)."
        )
    if len(releases := sorted({pod.release for pod in pods})) > 1:
        raise Fault(f"There are {' and '.join(releases)} here: choose one by --release.")
    return sorted(pods, key=lambda pod: (pod.component, pod.name))


def _labels(pod: Object) -> dict[str, str]:
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    return labels


def _pod(pod: Object) -> Pod:
    labels, status = _labels(pod), pod.get("status") or {}
    containers: list[Object] = status.get("containerStatuses") or []
    conditions = {each.get("type"): each for each in status.get("conditions") or []}
    ready = (conditions.get("Ready") or {}).get("status") == "True"
    return Pod(
        name=pod["metadata"]["name"],
        release=labels.get(_RELEASE, ""),
        component=labels.get(_COMPONENT, ""),
        node=(pod.get("spec") or {}).get("nodeName") or "",
        ready=ready or status.get("phase") == "Succeeded",
        state=_state(pod, conditions, containers),
        restarts=sum(int(each.get("restartCount") or 0) for each in containers),
        gpus=dict(requested(pod)),
        age=_age(pod["metadata"].get("creationTimestamp")),
    )


def _state(pod: Object, conditions: Mapping[str, Any], containers: list[Object]) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = pod.get("status") or {}
    for each in [*(status.get("initContainerStatuses") or []), *containers]:
        if reason := ((each.get("state") or {}).get("waiting") or {}).get("reason"):
            return str(reason)
    placed = conditions.get("PodScheduled") or {}
    if placed.get("status") == "False":
        # Such as: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.
        return str(placed.get("message") or placed.get("reason"))
    return str(status.get("phase") or "Unknown")


def _age(created: str | None) -> float:
    return time.time() - datetime.fromisoformat(created).timestamp() if created else 0.0
