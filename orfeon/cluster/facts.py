"""What a cluster has, as far as the account may see it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from orfeon.cluster.api import Absent, Api, Forbidden, Object
from orfeon.cluster.nodes import Node, read_nodes
from orfeon.fault import Fault

T = TypeVar("T")

_DEFAULT = "is-default-class"
_RESOLVER = re.compile(r"--certificatesresolvers\.([^.=\s]+)\.acme\b", re.IGNORECASE)


@dataclass(frozen=True)
class Class:
    """A StorageClass or an IngressClass, and who serves it."""

    name: str
    by: str
    is_default: bool


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus of the operator's: the labels that it selects by.

    None is a selector that takes nothing, or one that labels alone cannot meet. `all_namespaces`
    is false where it may not look into another than its own.
    """

    name: str
    namespace: str
    monitors: dict[str, str] | None
    rules: dict[str, str] | None
    all_namespaces: bool


@dataclass(frozen=True)
class Facts:
    """A cluster. None is what the account may not see.

    `traefik` are the namespaces where it runs, `resolvers` those of certificates that it was
    started with. `space` are the labels of the namespace, if `space_exists`. `secrets` says of
    each name whether there is one.
    """

    context: str
    server: str
    namespace: str
    version: str | None
    groups: frozenset[str] | None
    nodes: tuple[Node, ...] | None
    runtime_classes: frozenset[str] | None
    storage: tuple[Class, ...] | None
    ingress: tuple[Class, ...] | None
    prometheuses: tuple[Prometheus, ...] | None
    issuers: tuple[str, ...] | None
    gateways: tuple[tuple[str, str], ...] | None
    traefik: frozenset[str] | None
    resolvers: tuple[str, ...]
    daemons: frozenset[str] | None
    space: dict[str, str] | None
    space_exists: bool | None
    secrets: dict[str, bool | None]


def gather(api: Api, secrets: Iterable[str]) -> Facts:
    """Asks a cluster. `secrets` are names to look for in its namespace. Raises `Fault`."""
    groups = _seen(lambda: _groups(api))
    pods = _seen(lambda: api.list("/api/v1/pods"))
    nodes = _seen(lambda: api.list("/api/v1/nodes"))
    space = _seen(lambda: _space(api))
    version = _seen(lambda: str(api.get("/version").get("gitVersion")))
    if all(each is None for each in (groups, nodes, space, version)):
        raise Fault(
            f"This account may see nothing of the cluster: log in to {api.server}, or choose "
            "another --context."
        )
    return Facts(
        context=api.context,
        server=api.server,
        namespace=api.namespace,
        version=version,
        groups=groups,
        nodes=None if nodes is None else read_nodes(nodes, _others(pods, api.namespace)),
        runtime_classes=_named(api, "/apis/node.k8s.io/v1/runtimeclasses"),
        storage=_classes(api, "/apis/storage.k8s.io/v1/storageclasses"),
        ingress=_classes(api, "/apis/networking.k8s.io/v1/ingressclasses"),
        prometheuses=_kinds(api, "/apis/monitoring.coreos.com/v1/prometheuses", _prometheus),
        issuers=_issuers(api),
        gateways=_kinds(
            api,
            "/apis/gateway.networking.k8s.io/v1/gateways",
            lambda each: (each["metadata"]["namespace"], each["metadata"]["name"]),
        ),
        traefik=None if pods is None else frozenset(map(_namespace, filter(_is_traefik, pods))),
        resolvers=_resolvers(filter(_is_traefik, pods or ())),
        daemons=_named(api, "/apis/apps/v1/daemonsets"),
        space=space,
        space_exists=None if space is None else "kubernetes.io/metadata.name" in space,
        secrets={name: _has_secret(api, name) for name in secrets},
    )


def _seen(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except (Absent, Forbidden):
        return None


def _kinds(api: Api, path: str, read: Callable[[Object], T]) -> tuple[T, ...] | None:
    """Objects of a kind; none where the cluster does not know it."""
    try:
        return tuple(read(each) for each in api.list(path))
    except Absent:
        return ()
    except Forbidden:
        return None


def _named(api: Api, path: str) -> frozenset[str] | None:
    found = _kinds(api, path, lambda each: str(each["metadata"]["name"]))
    return None if found is None else frozenset(found)


def _groups(api: Api) -> frozenset[str]:
    return frozenset(str(each.get("name")) for each in api.get("/apis").get("groups") or [])


def _space(api: Api) -> dict[str, str]:
    try:
        found = api.get(f"/api/v1/namespaces/{api.namespace}")
    except Absent:
        return {}
    labels: dict[str, str] = found["metadata"].get("labels") or {}
    return {"kubernetes.io/metadata.name": api.namespace, **labels}


def _others(pods: list[Object] | None, namespace: str) -> list[Object] | None:
    """Pods that are not of the product in this namespace: what they take, it has already."""
    if pods is None:
        return None
    return [
        each
        for each in pods
        if _namespace(each) != namespace
        or _labels(each).get("app.kubernetes.io/part-of") != "orfeon"
    ]


def _namespace(each: Object) -> str:
    return str(each["metadata"].get("namespace"))


def _labels(each: Object) -> dict[str, str]:
    labels: dict[str, str] = each["metadata"].get("labels") or {}
    return labels


def _is_traefik(pod: Object) -> bool:
    return _labels(pod).get("app.kubernetes.io/name") == "traefik"


def _resolvers(pods: Iterable[Object]) -> tuple[str, ...]:
    arguments = " ".join(
        str(argument)
        for pod in pods
        for container in (pod.get("spec") or {}).get("containers") or []
        for argument in container.get("args") or []
    )
    return tuple(sorted(set(_RESOLVER.findall(arguments))))


def _classes(api: Api, path: str) -> tuple[Class, ...] | None:
    return _kinds(api, path, _class)


def _class(each: Object) -> Class:
    marks: dict[str, str] = each["metadata"].get("annotations") or {}
    return Class(
        str(each["metadata"]["name"]),
        str(each.get("provisioner") or (each.get("spec") or {}).get("controller")),
        any(key.endswith(_DEFAULT) and value == "true" for key, value in marks.items()),
    )


def _issuers(api: Api) -> tuple[str, ...] | None:
    path = "/apis/cert-manager.io/v1/clusterissuers"
    found = _kinds(api, path, lambda each: each["metadata"]["name"] if _is_ready(each) else "")
    return None if found is None else tuple(sorted(filter(None, found)))


def _is_ready(each: Object) -> bool:
    conditions = (each.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _prometheus(each: Object) -> Prometheus:
    spec: dict[str, Any] = each.get("spec") or {}
    return Prometheus(
        str(each["metadata"]["name"]),
        _namespace(each),
        _wanted(spec.get("serviceMonitorSelector")),
        _wanted(spec.get("ruleSelector")),
        spec.get("serviceMonitorNamespaceSelector") is not None,
    )


def _wanted(selector: Any) -> dict[str, str] | None:
    if not isinstance(selector, dict) or selector.get("matchExpressions"):
        return None
    labels: dict[str, str] = selector.get("matchLabels") or {}
    return labels


def _has_secret(api: Api, name: str) -> bool | None:
    try:
        api.names(f"/api/v1/namespaces/{api.namespace}/secrets/{quote(name, safe='')}")
    except Absent:
        return False
    except Forbidden:
        return None
    return True
