"""What a flavour of the chart installs, in a few lines that a review can read.

`python -m tests.contract.chart_summary --write` writes tests/contract/snapshots.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.contract.chart import FLAVOURS, Object, objects, pod_templates, values_of

SNAPSHOTS = Path(__file__).parent / "snapshots"


def summary(values: Mapping[str, Any]) -> str:
    """A line for every object, below it one for each of its facts."""
    templates = pod_templates(values)
    lines = []
    for each in sorted(objects(values), key=lambda each: (each["kind"], each["metadata"]["name"])):
        name = f"{each['kind']}/{each['metadata']['name']}"
        lines.append(name)
        facts = [*_hook(each), *FACTS.get(each["kind"], _spec)(each)]
        if name in templates:
            facts += _pod(templates[name]["spec"])
        lines += [f"  {fact}" for fact in facts]
    return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_short(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_short(each) for each in value) + "]"
    return str(value)


def _hook(each: Object) -> Iterator[str]:
    for name, value in each["metadata"].get("annotations", {}).items():
        if name.startswith("helm.sh/"):
            yield f"{name}: {value}"


def _workload(each: Object) -> Iterator[str]:
    for field in ("replicas", "strategy", "updateStrategy", "backoffLimit", "serviceName"):
        if field in each["spec"]:
            yield f"{field}: {_short(each['spec'][field])}"


def _pod(spec: Object) -> Iterator[str]:
    token = "with its token" if spec["automountServiceAccountToken"] else "without a token"
    yield f"account: {spec.get('serviceAccountName', 'default')}, {token}"
    for field in ("runtimeClassName", "priorityClassName", "nodeSelector", "resourceClaims"):
        if field in spec:
            yield f"{field}: {_short(spec[field])}"
    for field in ("tolerations", "topologySpreadConstraints"):
        keys = [each.get("key", each.get("topologyKey", "all")) for each in spec.get(field, [])]
        if keys:
            yield f"{field}: {', '.join(keys)}"
    yield f"grace: {spec.get('terminationGracePeriodSeconds', 30)} s"
    for kind in ("initContainers", "containers"):
        for each in spec.get(kind, []):
            yield from _container(kind.removesuffix("s"), each)
    for volume in spec.get("volumes", []):
        (source,) = (f"{key} {_short(each)}" for key, each in volume.items() if key != "name")
        yield f"volume {volume['name']}: {source}"


def _container(kind: str, each: Object) -> Iterator[str]:
    image, _, tag = each["image"].partition("@" if "@" in each["image"] else ":")
    by = "digest" if "@" in each["image"] else "tag, for GPUs" if tag.endswith("-cuda") else "tag"
    root = "read-only" if each["securityContext"]["readOnlyRootFilesystem"] else "writable"
    yield f"{kind} {each['name']}: {image} by {by}; {root}"
    for field, amounts in each["resources"].items():
        if amounts:
            yield f"  {field}: {_short(amounts)}"
    ports = {port["name"]: port["containerPort"] for port in each.get("ports", [])}
    if ports:
        yield f"  ports: {_short(ports)}"
    for entry in each.get("env", []):
        if "valueFrom" in entry:
            yield f"  {entry['name']}: {_short(entry['valueFrom'])}"


def _service(each: Object) -> Iterator[str]:
    spec = each["spec"]
    headless = spec.get("clusterIP") == "None"
    yield "headless" if headless else spec.get("type", "ClusterIP")
    ports = {port["name"]: port["port"] for port in spec["ports"]}
    yield f"ports: {_short(ports)}"


def _policy(each: Object) -> Iterator[str]:
    spec = each["spec"]
    yield f"pods: {_selected(spec['podSelector'])}"
    for way in spec["policyTypes"]:
        rules = spec.get(way.lower(), [])
        for rule in rules:
            peers = rule.get("from", rule.get("to", []))
            who = " or ".join(_peer(peer) for peer in peers) or "anyone"
            ports = [str(port["port"]) for port in rule.get("ports", [])]
            yield f"{way.lower()}: {who} at {', '.join(ports) or 'any port'}"
        if not rules:
            yield f"{way.lower()}: nobody"


def _peer(peer: Object) -> str:
    parts = [
        f"{word} {_selected(peer[key])}"
        for word, key in (("pods", "podSelector"), ("namespaces", "namespaceSelector"))
        if key in peer
    ]
    return " of ".join(parts) or _short(peer)


def _selected(selector: Object) -> str:
    labels = dict(selector.get("matchLabels", {}))
    ours = labels.pop("app.kubernetes.io/instance", None) and "ours"
    labels.pop("app.kubernetes.io/name", None)
    component = labels.pop("app.kubernetes.io/component", None)
    said = [component or ours] if component or ours else []
    said += [f"{key}={value}" for key, value in labels.items()]
    for rule in selector.get("matchExpressions", []):
        key = rule["key"].removeprefix("app.kubernetes.io/")
        said.append(f"{key} {rule['operator']} {_short(rule.get('values', []))}")
    return " ".join(said) or "all"


def _data(each: Object) -> Iterator[str]:
    for field in ("data", "binaryData", "stringData"):
        yield from each.get(field, {})


def _rules(each: Object) -> Iterator[str]:
    for rule in each["rules"]:
        yield f"{', '.join(rule['resources'])}: {', '.join(rule['verbs'])}"


def _groups(each: Object) -> Iterator[str]:
    for group in each["spec"]["groups"]:
        yield group["name"]


def _spec(each: Object) -> Iterator[str]:
    for field, value in each.get("spec", {}).items():
        if field not in ("selector", "scaleTargetRef"):
            yield f"{field}: {_short(value)}"


FACTS: dict[str, Callable[[Object], Iterator[str]]] = {
    "ClusterRole": _rules,
    "ConfigMap": _data,
    "DaemonSet": _workload,
    "Deployment": _workload,
    "Job": _workload,
    "NetworkPolicy": _policy,
    "Pod": lambda each: iter(()),
    "PrometheusRule": _groups,
    "Role": _rules,
    "Secret": _data,
    "Service": _service,
    "StatefulSet": _workload,
}


def main() -> None:
    """Writes a file for each flavour, and removes those of flavours that are gone."""
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(__doc__)
    for path in SNAPSHOTS.glob("*.txt"):
        path.unlink()
    for flavour in FLAVOURS:
        (SNAPSHOTS / f"{flavour}.txt").write_text(summary(values_of(flavour)), "utf-8")


if __name__ == "__main__":
    main()
