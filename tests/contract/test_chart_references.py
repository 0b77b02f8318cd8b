"""Nothing in a flavour points at what is not there: the mistakes that a cluster accepts."""

import json
from collections.abc import Iterator

from tests.contract.chart import EVERY_FLAVOUR, RELEASE, Object, objects, pod_templates, values_of
from tests.contract.pod_security import containers


def _labels(flavour: str) -> list[dict[str, str]]:
    """Of every pod, those of Jobs too that the training service will make."""
    templates = list(pod_templates(values_of(flavour)).values())
    labels = [each["metadata"].get("labels", {}) for each in templates]
    for each in templates:
        for entry in each["spec"]["containers"][0].get("env", []):
            if entry["name"] == "ORFEON_TRAINING_KUBERNETES__LABELS":
                labels.append(json.loads(entry["value"]))
    return labels


def _chosen(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector takes in an object with these labels."""
    said: bool = selector.get("matchLabels", {}).items() <= labels.items()
    for rule in selector.get("matchExpressions", []):
        value = labels.get(rule["key"])
        match rule["operator"]:
            case "In":
                said &= value in rule["values"]
            case "NotIn":
                said &= value not in rule["values"]
            case "Exists":
                said &= value is not None
            case "DoesNotExist":
                said &= value is None
    return said


def _of(flavour: str, *kinds: str) -> list[Object]:
    return [each for each in objects(values_of(flavour)) if each["kind"] in kinds]


@EVERY_FLAVOUR
def test_every_service_has_pods_that_listen_on_its_ports(flavour: str) -> None:
    for service in _of(flavour, "Service"):
        pods = [
            template["spec"]
            for template in pod_templates(values_of(flavour)).values()
            if service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
        ]
        assert pods, service["metadata"]["name"]
        for pod in pods:
            open_ports = {
                port["name"] for each in pod["containers"] for port in each.get("ports", [])
            }
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= open_ports


@EVERY_FLAVOUR
def test_every_selector_of_pods_has_some(flavour: str) -> None:
    for each in _of(flavour, "PodDisruptionBudget", "NetworkPolicy", "PodMonitor"):
        selector = each["spec"].get("podSelector", each["spec"].get("selector"))
        assert any(_chosen(selector, labels) for labels in _labels(flavour)), each["metadata"]
    for name, template in pod_templates(values_of(flavour)).items():
        for spread in template["spec"].get("topologySpreadConstraints", []):
            assert _chosen(spread["labelSelector"], template["metadata"]["labels"]), name


@EVERY_FLAVOUR
def test_every_monitor_has_a_service_with_its_port(flavour: str) -> None:
    for monitor in _of(flavour, "ServiceMonitor"):
        services = [
            each
            for each in _of(flavour, "Service")
            if _chosen(monitor["spec"]["selector"], each["metadata"]["labels"])
        ]
        assert services, monitor["metadata"]["name"]
        ports = {port["name"] for each in services for port in each["spec"]["ports"]}
        assert {each["port"] for each in monitor["spec"]["endpoints"]} <= ports


@EVERY_FLAVOUR
def test_who_is_scaled_is_there(flavour: str) -> None:
    workloads = {
        (each["kind"], each["metadata"]["name"])
        for each in _of(flavour, "Deployment", "StatefulSet")
    }
    for each in _of(flavour, "HorizontalPodAutoscaler", "ScaledObject"):
        target = each["spec"]["scaleTargetRef"]
        assert (target.get("kind", "Deployment"), target["name"]) in workloads


def _backends(flavour: str) -> Iterator[tuple[str, str | int]]:
    """The service and the port at which each way in from outside ends."""
    for route in _of(flavour, "IngressRoute"):
        for rule in route["spec"]["routes"]:
            yield from ((each["name"], each["port"]) for each in rule["services"])
    for route in _of(flavour, "HTTPRoute", "GRPCRoute"):
        for rule in route["spec"]["rules"]:
            yield from ((each["name"], each["port"]) for each in rule["backendRefs"])
    for ingress in _of(flavour, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                yield service["name"], service["port"].get("name", service["port"].get("number"))


@EVERY_FLAVOUR
def test_ways_in_from_outside_end_at_ports_of_services(flavour: str) -> None:
    ports = {
        (each["metadata"]["name"], port[key])
        for each in _of(flavour, "Service")
        for port in each["spec"]["ports"]
        for key in ("name", "port")
    }
    assert set(_backends(flavour)) <= ports


@EVERY_FLAVOUR
def test_routes_pass_what_is_there(flavour: str) -> None:
    """Middlewares that the user names are the user's."""
    there = {(each["kind"], each["metadata"]["name"]) for each in objects(values_of(flavour))}
    for route in _of(flavour, "IngressRoute"):
        named = {
            (kind, each["name"])
            for rule in route["spec"]["routes"]
            for kind, each in [
                *(("Middleware", each) for each in rule.get("middlewares", [])),
                *(
                    ("ServersTransport", {"name": each["serversTransport"]})
                    for each in rule["services"]
                    if "serversTransport" in each
                ),
            ]
        }
        options = route["spec"].get("tls", {}).get("options")
        if options:
            named.add(("TLSOption", options["name"]))
        assert {each for each in named if each[1].startswith(RELEASE)} <= there


@EVERY_FLAVOUR
def test_every_mount_has_a_volume_and_every_volume_a_mount(flavour: str) -> None:
    configured = {each["metadata"]["name"] for each in _of(flavour, "ConfigMap")}
    for name, template in pod_templates(values_of(flavour)).items():
        volumes = template["spec"].get("volumes", [])
        mounted = set()
        for each in containers(template):
            mounts = each.get("volumeMounts", [])
            paths = [mount["mountPath"] for mount in mounts]
            assert len(paths) == len(set(paths)), name
            mounted |= {mount["name"] for mount in mounts}
        assert mounted == {volume["name"] for volume in volumes}, name
        for volume in volumes:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in configured, name


@EVERY_FLAVOUR
def test_probes_ask_at_ports_that_are_open(flavour: str) -> None:
    for name, template in pod_templates(values_of(flavour)).items():
        for each in containers(template):
            ports = each.get("ports", [])
            known = {port["name"] for port in ports} | {port["containerPort"] for port in ports}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                for asked in each.get(probe, {}).values():
                    if isinstance(asked, dict) and "port" in asked:
                        assert asked["port"] in known, (name, probe)


@EVERY_FLAVOUR
def test_accounts_and_roles_are_there(flavour: str) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in objects(values_of(flavour))}
    for name, template in pod_templates(values_of(flavour)).items():
        # One that names none has no rights: hooks run before there is one.
        account = template["spec"].get("serviceAccountName")
        assert account is None or ("ServiceAccount", account) in there, name
    for binding in _of(flavour, "RoleBinding", "ClusterRoleBinding"):
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in there
        for subject in binding["subjects"]:
            assert (subject["kind"], subject["name"]) in there
