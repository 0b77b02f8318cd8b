"""A network that heeds the chart's policies."""

import json
import re
from typing import Any

from tests.contract.chart import NAMESPACE, Object, objects

COMPONENT = "app.kubernetes.io/component"


def _template(found: Object) -> Object | None:
    """What pods an object starts, if any."""
    if found["kind"] == "Pod":
        return found
    template: Object | None = found["spec"].get("template") if "spec" in found else None
    return template if template and "containers" in template.get("spec", {}) else None


class Network:
    """A cluster that heeds the policies of a release."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.objects = objects(values)
        self.policies = [each for each in self.objects if each["kind"] == "NetworkPolicy"]
        self.pods = {
            template["metadata"]["labels"][COMPONENT]: template
            for each in self.objects
            if (template := _template(each))
        }

    def named(self, kind: str) -> dict[str, Object]:
        """The objects of one kind, by name."""
        return {each["metadata"]["name"]: each for each in self.objects if each["kind"] == kind}

    def ports(self, component: str) -> set[int]:
        """The ports that a component listens on."""
        containers = self.pods[component]["spec"]["containers"]
        return {port["containerPort"] for each in containers for port in each.get("ports", [])}

    def lets(self, caller: str, called: str, port: int) -> bool:
        """Whether one component may call another."""
        ends = (("Egress", caller, called), ("Ingress", called, caller))
        return all(self._end(way, here, there, port) for way, here, there in ends)

    def outside(self, component: str, way: str) -> list[Object]:
        """The rules about what is not of the release, but names."""
        return [
            rule
            for policy in self._about(component)
            for rule in policy["spec"].get(way, [])
            if not any("podSelector" in peer for peer in rule.get(_PEERS[way], []))
            and {port["port"] for port in rule["ports"]} != {53}
        ]

    def _end(self, way: str, here: str, there: str, port: int) -> bool:
        about = [policy for policy in self._about(here) if way in policy["spec"]["policyTypes"]]
        if not about:
            return True
        rules = [rule for policy in about for rule in policy["spec"].get(way.lower(), [])]
        labels = self.pods[there]["metadata"]["labels"]
        return any(
            port in {each["port"] for each in rule["ports"]}
            and (
                not rule.get(_PEERS[way.lower()])
                or any(_chooses(peer, labels) for peer in rule[_PEERS[way.lower()]])
            )
            for rule in rules
        )

    def _about(self, component: str) -> list[Object]:
        labels = self.pods[component]["metadata"]["labels"]
        return [each for each in self.policies if matches(each["spec"]["podSelector"], labels)]


_PEERS = {"ingress": "from", "egress": "to"}


def _chooses(peer: Object, labels: dict[str, str]) -> bool:
    return "namespaceSelector" not in peer and matches(peer.get("podSelector", {"": ""}), labels)


def matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a selector chooses pods with these labels."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    assert all(each["operator"] == "In" for each in selector.get("matchExpressions", []))
    return all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", [])
    )


def told(network: Network) -> set[tuple[str, str, int]]:
    """Which components are told where others are, by their Services: caller, called, port."""
    services = network.named("Service")
    secrets = {name: each["stringData"] for name, each in network.named("Secret").items()}
    found = set()
    for caller, template in network.pods.items():
        text = json.dumps(template["spec"])
        for name, data in secrets.items():
            text += data["url"] if f'"name": "{name}", "key": "url"' in text else ""
        for name, service in services.items():
            called = service["spec"]["selector"][COMPONENT]
            targets = {str(each["port"]): each["targetPort"] for each in service["spec"]["ports"]}
            (container,) = network.pods[called]["spec"]["containers"]
            numbers = {each["name"]: each["containerPort"] for each in container["ports"]}
            address = rf"[/@\"]{name}(?:\.{NAMESPACE}\.svc\.cluster\.local)?:(\d+)"
            for port in re.findall(address, text):
                found.add((caller, called, numbers[targets[port]]))
    return found
