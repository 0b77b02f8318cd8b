"""The way in: who could bring a host to the gateway, and who signs its certificate."""

from collections.abc import Mapping, Sequence
from typing import Any

from orfeon.cluster.facts import Class, Facts
from orfeon.cluster.findings import Finding, Topic, Values, lookup

EDGE = Topic("edge")
TLS_SECRET = "orfeon-tls"
#: By provider, what the API must know.
GROUPS = {"traefik": "traefik.io", "gatewayApi": "gateway.networking.k8s.io"}
NGINX_GRPC = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}


def values(facts: Facts, given: Mapping[str, Any], host: str) -> Values:
    """What to set for a host; nothing without one."""
    host = host or str(lookup(given, "edge.host", ""))
    provider = str(lookup(given, "edge.provider") or _provider(facts))
    if not host or provider == "none":
        return {}
    edge: Values = {"provider": provider, "host": host}
    # What is given in part is left alone: its keys exclude one another.
    if lookup(given, "edge.tls") is None:
        edge["tls"] = _tls(facts, provider)
    clients: set[str] = set()
    if provider == "traefik":
        clients = set(facts.traefik or ())
    elif provider == "gatewayApi" and facts.gateways and not lookup(given, "edge.gatewayApi"):
        namespace, name = facts.gateways[0]
        edge["grpcHost"] = f"grpc.{host}"
        edge["gatewayApi"] = {"parentRefs": [{"name": name, "namespace": namespace}]}
        clients = {namespace}
    elif provider == "ingress" and not lookup(given, "edge.ingress"):
        edge |= _ingress(facts.ingress or ())
    if clients - {"traefik"}:
        return {"edge": edge, "networkPolicy": {"clients": [_from(n) for n in sorted(clients)]}}
    return {"edge": edge}


def findings(facts: Facts, wanted: Mapping[str, Any]) -> list[Finding]:
    """Whether what the values want is there."""
    provider = str(lookup(wanted, "edge.provider", "none"))
    host = lookup(wanted, "edge.host")
    if provider == "none":
        return [_closed(_provider(facts))]
    if not host:
        return [EDGE.missing("edge.provider needs edge.host: give --host NAME.")]
    if facts.groups is None:
        return [EDGE.unknown("This account may not see which kinds the API knows.")]
    group = GROUPS.get(provider)
    if group and group not in facts.groups:
        return [
            EDGE.missing(
                f"edge.provider is {provider}, and the API does not know {group}: "
                "install what brings it, or set edge.provider to another.",
            )
        ]
    if provider == "ingress" and facts.ingress == ():
        return [
            EDGE.missing(
                "edge.provider is ingress, and there is no IngressClass: install "
                "a controller, or set edge.provider to another.",
            )
        ]
    return [EDGE.ok(f"{provider} brings {host} to the gateway."), *_signed(facts, wanted)]


def _closed(could: str) -> Finding:
    if could == "none":
        return EDGE.hint(
            "Nothing here brings a host to the gateway: install Traefik (docs/edge.md), or give "
            "gateway.service.type LoadBalancer."
        )
    return EDGE.hint(
        "The gateway is not reachable from outside: give --host NAME, and edge.provider will be "
        f"{could}."
    )


def _signed(facts: Facts, wanted: Mapping[str, Any]) -> list[Finding]:
    mode = lookup(wanted, "edge.tls.mode", "secret")
    resolver = lookup(wanted, "edge.tls.certResolver")
    if mode == "acme" and facts.traefik and resolver not in facts.resolvers:
        known = ", ".join(facts.resolvers) or "none"
        return [
            EDGE.missing(
                f"edge.tls.certResolver is {resolver}, with which Traefik was not started; it has: "
                f"{known}."
            )
        ]
    if mode != "certManager":
        return [EDGE.say("ok" if mode != "none" else "hint", f"TLS by edge.tls.mode {mode}.")]
    if facts.groups is not None and "cert-manager.io" not in facts.groups:
        return [
            EDGE.missing(
                "edge.tls.mode is certManager, which this cluster does not have: "
                "install cert-manager, or set edge.tls.mode to secret.",
            )
        ]
    issuer = lookup(wanted, "edge.tls.issuerRef.name")
    kind = lookup(wanted, "edge.tls.issuerRef.kind", "ClusterIssuer")
    if facts.issuers is None or kind != "ClusterIssuer":
        return [EDGE.unknown(f"Whether the {kind} {issuer} is ready could not be seen.")]
    if issuer not in facts.issuers:
        ready = ", ".join(facts.issuers) or "none"
        return [
            EDGE.missing(
                f"edge.tls.issuerRef.name is {issuer}, which is no ClusterIssuer "
                f"that is ready; ready are: {ready}.",
            )
        ]
    return [EDGE.ok(f"{issuer} signs the certificate.")]


def _provider(facts: Facts) -> str:
    groups = facts.groups or frozenset()
    if GROUPS["traefik"] in groups:
        return "traefik"
    if GROUPS["gatewayApi"] in groups and facts.gateways:
        return "gatewayApi"
    return "ingress" if facts.ingress else "none"


def _tls(facts: Facts, provider: str) -> Values:
    if "cert-manager.io" in (facts.groups or ()) and facts.issuers:
        return {"mode": "certManager", "issuerRef": {"name": facts.issuers[0]}}
    if provider == "traefik" and facts.resolvers:
        return {"mode": "acme", "certResolver": facts.resolvers[0]}
    return {"mode": "secret", **({} if provider == "gatewayApi" else {"secretName": TLS_SECRET})}


def _ingress(classes: Sequence[Class]) -> Values:
    """By which controller, and whether it can be told to speak HTTP/2 to the gateway."""
    if not classes:
        return {"grpcPaths": []}
    chosen = next((each for each in classes if each.is_default), classes[0])
    ingress: Values = {"className": chosen.name}
    if "nginx" not in chosen.by:
        return {"ingress": ingress, "grpcPaths": []}
    return {"ingress": {**ingress, "grpcAnnotations": NGINX_GRPC}}


def _from(namespace: str) -> Values:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
