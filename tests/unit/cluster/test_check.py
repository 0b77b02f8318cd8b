from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orfeon.cluster.check import judge
from orfeon.cluster.edges import NGINX_GRPC
from orfeon.cluster.facts import Class, Facts, Prometheus
from orfeon.cluster.findings import secrets_named
from orfeon.cluster.nodes import Gpu, Node, Taint, read_nodes

PATHS = (
    "gpu", "gpu.profile", "gpu.whole.resource", "gpu.runtimeClassName", "triton.enabled", "triton",
    "capabilities", "capabilities.chat", "capabilities.chat.replicas", "capabilityDefaults.gpu",
    "capabilities.chat.autoscaling.by", "edge", "edge.provider", "edge.host", "edge.tls.mode",
    "edge.tls.issuerRef", "serviceMonitor.enabled", "serviceMonitor.labels", "image.pullSecrets",
    "gateway.persistence.storageClass", "gateway.database.secretName", "networkPolicy.enabled",
)  # fmt: skip
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5),
    st.sampled_from(["whole", "mig", "traefik", "gatewayApi", "certManager", "keda"]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


def facts(*nodes: Node, **more: Any) -> Facts:
    """A cluster that has something of everything."""
    known: dict[str, Any] = {
        "context": "there", "server": "https://k8s", "namespace": "orfeon", "version": "v1.33.1",
        "groups": frozenset({"traefik.io", "cert-manager.io", "monitoring.coreos.com"}),
        "nodes": nodes, "runtime_classes": frozenset({"nvidia"}),
        "storage": (Class("standard", "x", True),), "ingress": (), "issuers": ("letsencrypt",),
        "prometheuses": (Prometheus("main", "monitoring", {}, {}, True),), "gateways": (),
        "traefik": frozenset(), "resolvers": (), "daemons": frozenset(), "space": {},
        "space_exists": False, "secrets": {},
    }  # fmt: skip
    return Facts(**{**known, **more})


def node(*gpus: Gpu, **more: Any) -> Node:
    known: dict[str, Any] = {"name": "a", "ready": True, "arch": "", "cpu": "", "memory": "",
                             "product": "", "labelled": True}  # fmt: skip
    return Node(**{**known, **more}, gpus=gpus)


def gpu(places: int, free: int | None = None) -> Gpu:
    return Gpu("nvidia.com/gpu", "whole", places, free)


@given(st.dictionaries(st.sampled_from(PATHS), ANYTHING, max_size=6))
def test_no_values_break_the_check(chosen: dict[str, Any]) -> None:
    values: dict[str, Any] = {}
    for path, value in sorted(chosen.items()):
        at = values
        *parents, last = path.split(".")
        for parent in parents:
            below = at.get(parent)
            at[parent] = below if isinstance(below, dict) else {}
            at = at[parent]
        at[last] = value
    for seen in (facts(node(gpu(2))), facts(nodes=None, groups=None, storage=None)):
        assert judge(seen, values).findings


def test_taken_gpus_are_no_places() -> None:
    assert judge(facts(node(gpu(4, 0))), {}).values["gpu"] == {"profile": "cpu"}
    off = judge(facts(node(gpu(4, 1))), {}).values["capabilities"]
    assert set(off) == {"speech", "lyrics", "melody", "emotion", "images"}


def test_what_triton_computes_needs_no_gpu_of_its_own() -> None:
    found = judge(facts(node(gpu(3))), {"triton": {"enabled": True}})
    assert "capabilities" not in found.values
    assert found.is_ready


@pytest.mark.parametrize("away", [{"ready": False}, {"taints": (Taint("team", "", "NoExecute"),)}])
def test_a_cluster_whose_nodes_take_nobody(away: dict[str, Any]) -> None:
    found = judge(facts(node(**away)), {})
    assert [each.topic for each in found.findings if each.level == "missing"] == ["nodes"]


@pytest.mark.parametrize(
    ("more", "tls"),
    [
        ({}, {"mode": "certManager", "issuerRef": {"name": "letsencrypt"}}),
        ({"issuers": (), "resolvers": ("le",)}, {"mode": "acme", "certResolver": "le"}),
        ({"issuers": ()}, {"mode": "secret", "secretName": "orfeon-tls"}),
    ],
)
def test_certificates_come_from_who_there_is(more: dict[str, Any], tls: dict[str, Any]) -> None:
    found = judge(facts(**more), {}, "orfeon.example.com")
    assert found.values["edge"]["tls"] == tls


@pytest.mark.parametrize(
    ("by", "more"),
    [
        ("k8s.io/ingress-nginx", {"ingress": {"className": "c", "grpcAnnotations": NGINX_GRPC}}),
        ("other.io/controller", {"ingress": {"className": "c"}, "grpcPaths": []}),
    ],
)
def test_an_ingress_lets_grpc_through_where_it_can(by: str, more: dict[str, Any]) -> None:
    seen = facts(groups=frozenset(), ingress=(Class("c", by, True),))
    edge = judge(seen, {}, "orfeon.example.com").values["edge"]
    assert {key: edge[key] for key in edge if key in ("ingress", "grpcPaths")} == more


def test_slices_that_are_called_as_whole_gpus_are() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-MIG-1g.10gb"}
    (read,) = read_nodes(
        [
            {
                "metadata": {"name": "a", "labels": labels},
                "status": {"allocatable": {"nvidia.com/gpu": "7", "nvidia.com/mig.config": "x"}},
            }
        ],
        None,
    )
    assert read.gpus == (Gpu("nvidia.com/gpu", "mig", 7, None),)
    assert not read.ready


def test_secrets_are_found_by_what_names_them() -> None:
    values = {
        "gateway": {"database": {"secretName": "a"}, "secretEnv": {"X": {"secretName": "b"}}},
        "models": {"hub": {"tokenSecretName": "c"}},
        "edge": {"tls": {"mode": "certManager", "secretName": "made"}},
        "image": {"pullSecrets": ["d"]},
    }
    assert sorted(secrets_named(values).values()) == ["a", "b", "c", "d"]
