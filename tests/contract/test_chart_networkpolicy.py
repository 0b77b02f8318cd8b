"""Policies of the network: who is told of whom may call it, and nobody else."""

from typing import Any

import helm_python as helm
import pytest

from tests.contract.chart import ALL_ON, EVERY_FLAVOUR, RELEASE, of_kind, render, values_of
from tests.contract.network import Network, matches, told

BUNDLED = {"postgresql": {"bundled": True}, "redis": {"bundled": True}}
TRAEFIK = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}
MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


@pytest.mark.parametrize(
    "values",
    [{}, ALL_ON, BUNDLED, *map(values_of, ("triton", "gpu-whole", "training"))],
    ids=("as it comes", "all on", "bundled", "triton", "gpu-whole", "training"),
)
def test_exactly_those_that_are_told_of_a_part_may_call_it(values: dict[str, Any]) -> None:
    network = Network(values)
    expected = told(network)
    assert ("gateway", "chat", 50051) in expected
    allowed = {
        (caller, called, port)
        for caller in network.pods
        for called in network.pods
        for port in network.ports(called)
        if caller != called and network.lets(caller, called, port)
    }
    assert allowed == expected


@EVERY_FLAVOUR
def test_no_pod_is_without_a_policy_both_ways(flavour: str) -> None:
    network = Network(values_of(flavour))
    (everything,) = (
        each for each in network.policies if each["metadata"]["name"] == f"{RELEASE}-orfeon"
    )
    assert everything["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everything["spec"]
    for template in network.pods.values():
        assert matches(everything["spec"]["podSelector"], template["metadata"]["labels"])


def test_only_the_edge_and_prometheus_come_in_from_outside() -> None:
    network = Network(BUNDLED)
    for component in network.pods:
        came = {
            port["port"]: rule["from"]
            for rule in network.outside(component, "ingress")
            for port in rule["ports"]
        }
        match component:
            case "gateway":
                # Metrics are on the same port, which the test pod may call too.
                assert came == {8000: [TRAEFIK], 50051: [TRAEFIK]}
                assert {"from": [MONITORING], "ports": [{"port": 8000, "protocol": "TCP"}]} in (
                    network.outside("gateway", "ingress")
                )
            case "studio":
                assert came == {7860: [TRAEFIK], 9090: [MONITORING]}
            case "postgresql" | "redis" | "test":
                assert came == {}
            case _:
                assert came == {9090: [MONITORING]}


def test_anybody_may_call_a_gateway_that_is_offered_to_all() -> None:
    network = Network({"gateway": {"service": {"type": "LoadBalancer"}}})
    rules = network.outside("gateway", "ingress")
    assert [rule for rule in rules if not rule.get("from")] == [
        {"ports": [{"port": port, "protocol": "TCP"} for port in (8000, 50051)], "from": []}
    ]


def test_what_leaves_the_release_is_known() -> None:
    values = {
        **ALL_ON,
        "gateway": {"database": {"secretName": "db"}},
        "redis": {"external": {"secretName": "cache"}},
        "networkPolicy": {"database": {"to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}]}},
    }
    network = Network(values)
    leaves = {
        component: sorted(
            port["port"] for rule in network.outside(component, "egress") for port in rule["ports"]
        )
        for component in network.pods
    }
    assert {component: ports for component, ports in leaves.items() if ports} == {
        "gateway": [5432, 6379],
        "migrations": [5432],
        "test": [5432],
        "training": [443, 6443],
    }
    (rule,) = network.outside("migrations", "egress")
    assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.5/32"}}]


@pytest.mark.parametrize("secret", ["prod-orfeon-postgresql", "another"])
def test_songs_reach_the_database_that_they_are_told_of(secret: str) -> None:
    url = {"ORFEON_SONG_DATABASE_URL": {"secretName": secret, "secretKey": "url"}}
    network = Network({**BUNDLED, "capabilities": {"song": {"secretEnv": url}}})
    outside = [rule["ports"][0]["port"] for rule in network.outside("song", "egress")]
    assert network.lets("song", "postgresql", 5432) is (secret != "another")
    assert outside == ([5432] if secret == "another" else [])


def test_a_trainer_fetches_weights_and_calls_nobody() -> None:
    offline = {**ALL_ON, "models": {"offline": True}}
    assert "trainer" not in of_kind(offline, "NetworkPolicy")
    trainer = of_kind(ALL_ON, "NetworkPolicy")["trainer"]["spec"]
    ((rule),) = trainer["egress"]
    assert rule["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert "10.0.0.0/8" in rule["to"][0]["ipBlock"]["except"]
    assert "ingress" not in trainer


DEFINED = {"tiny": {"name": "tiny", "capability": "chat"}}


@pytest.mark.parametrize(
    ("models", "fetchers"),
    [
        ({"source": "package"}, set()),
        ({"source": "claim", "claim": {"existingClaim": "a"}}, set()),
        ({"source": "job", "definitions": DEFINED}, {"weights"}),
        (
            {"source": "init", "definitions": DEFINED},
            {"chat", "emotion", "images", "lyrics", "melody", "speech"},
        ),
    ],
)
def test_only_pods_that_fetch_weights_reach_a_hub(
    models: dict[str, Any], fetchers: set[str]
) -> None:
    network = Network({"models": models})
    reach = {each for each in network.pods if 443 in _left(network, each)}
    assert reach == fetchers


def _left(network: Network, component: str) -> set[int]:
    rules = network.outside(component, "egress")
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_rules_may_be_added_and_all_be_left_out() -> None:
    extra = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8001}]}
    added = {"networkPolicy": {"extra": {"emotion": {"egress": [extra]}}}}
    assert extra in of_kind(added, "NetworkPolicy")["emotion"]["spec"]["egress"]
    assert of_kind({"networkPolicy": {"enabled": False}}, "NetworkPolicy") == {}


SERVER = {"emotion": {"env": {"ORFEON_EMOTION_TRITON_URL": "10.1.0.1:8001"}}}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"networkPolicy": {"extra": {"choir": {}}}}, "networkPolicy.extra.choir is no part"),
        ({"capabilities": SERVER}, "allow it by networkPolicy.extra.emotion.egress"),
    ],
)
def test_policies_that_would_cut_what_is_asked_for_are_refused(
    values: dict[str, Any], told: str
) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render(values)


def test_a_server_outside_may_be_allowed() -> None:
    allowed = {"emotion": {"egress": [{"ports": [{"port": 8001}]}]}}
    assert render({"capabilities": SERVER, "networkPolicy": {"extra": allowed}})
    assert render({"capabilities": SERVER, "networkPolicy": {"enabled": False}})
