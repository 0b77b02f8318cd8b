"""The arbiter of a node: seen by the pods that share its GPUs, and by no others."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from services.arbiter.server import SERVICE
from services.arbiter.settings import ArbiterSettings
from services.runtime.endpoint import LIVENESS
from tests.contract.chart import (
    ALL_ON,
    CAPABILITIES,
    NAMESPACE,
    Object,
    container,
    environment,
    of_kind,
    pod,
    values_of,
)


def arbiter(values: dict[str, Any]) -> Object:
    """The DaemonSet."""
    return of_kind(values, "DaemonSet")["arbiter"]


def test_there_is_none_unless_asked_for() -> None:
    assert of_kind({}, "DaemonSet") == {}
    assert "arbiter" not in of_kind({}, "Service")
    for name in CAPABILITIES:
        assert "ORFEON_ARBITER" not in environment(of_kind(ALL_ON, "Deployment")[name])


def test_pods_with_a_gpu_reach_the_arbiter_of_their_own_node_and_others_none() -> None:
    found = of_kind(values_of("gpu-whole"), "Deployment")
    service = of_kind(values_of("gpu-whole"), "Service")["arbiter"]
    domain = f"{service['metadata']['name']}.{NAMESPACE}.svc.cluster.local"

    assert service["spec"]["internalTrafficPolicy"] == "Local"
    assert "clusterIP" not in service["spec"]  # One without an address has no such policy.
    assert environment(found["chat"])["ORFEON_ARBITER"] == f"{domain}:50051"
    assert environment(found["speech"])["ORFEON_ARBITER"] == f"{domain}:50051"
    assert "ORFEON_ARBITER" not in environment(found["emotion"])
    assert "ORFEON_ARBITER" not in environment(found["gateway"])


def test_it_is_told_what_it_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = environment(arbiter(values_of("gpu-whole")))
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    settings = ArbiterSettings()

    assert settings.budgets == {"cuda:0": 20_000_000_000, "cpu": 8_000_000_000}
    assert settings.metrics_port == 9090
    assert settings.state is not None
    known = {f"ORFEON_ARBITER_{name.upper()}" for name in ArbiterSettings.model_fields}
    shared = {"ORFEON_HOME", "ORFEON_LOG_LEVEL"}
    assert {name for name in told if name.startswith("ORFEON_")} <= known | shared


def test_the_default_is_the_settings_own() -> None:
    told = environment(arbiter({"gpu": {"profile": "whole"}, "arbiter": {"enabled": True}}))
    own = ArbiterSettings.model_fields
    seconds = TypeAdapter(float)
    assert json.loads(told["ORFEON_ARBITER_BUDGETS"]) == own["budgets"].get_default(
        call_default_factory=True
    )
    for name in ("lease_ttl", "settle_seconds"):
        value = seconds.validate_python(told[f"ORFEON_ARBITER_{name.upper()}"])
        assert value == own[name].default


def test_it_sees_all_gpus_without_taking_one() -> None:
    found = arbiter(values_of("gpu-whole"))
    told = environment(found)
    assert told["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert told["NVIDIA_DRIVER_CAPABILITIES"] == "utility"
    assert pod(found)["runtimeClassName"] == "nvidia"
    assert not any("nvidia" in name for name in container(found)["resources"].get("limits", {}))
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod(found)[
        "tolerations"
    ]


def test_without_that_it_is_an_ordinary_pod() -> None:
    found = arbiter({"gpu": {"profile": "whole"}, "arbiter": {"enabled": True}})
    assert "NVIDIA_VISIBLE_DEVICES" not in environment(found)
    assert "runtimeClassName" not in pod(found)
    assert container(found)["securityContext"]["readOnlyRootFilesystem"] is True


def test_there_are_never_two_on_a_node() -> None:
    strategy = arbiter(values_of("gpu-whole"))["spec"]["updateStrategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_what_it_knows_outlives_its_container() -> None:
    found = arbiter(values_of("gpu-whole"))
    (mount,) = (each for each in container(found)["volumeMounts"] if each["name"] == "home")
    assert environment(found)["ORFEON_ARBITER_STATE"].startswith(mount["mountPath"] + "/")


def test_it_is_probed_by_the_services_that_it_serves() -> None:
    probed = container(arbiter(values_of("gpu-whole")))
    assert probed["startupProbe"]["grpc"] == {"port": 50051, "service": SERVICE}
    assert probed["readinessProbe"]["grpc"] == {"port": 50051, "service": SERVICE}
    assert probed["livenessProbe"]["grpc"] == {"port": 50051, "service": LIVENESS}


def test_its_metrics_are_scraped() -> None:
    values = values_of("gpu-whole")
    (endpoint,) = of_kind(values, "ServiceMonitor")["arbiter"]["spec"]["endpoints"]
    ports = {port["name"] for port in of_kind(values, "Service")["arbiter"]["spec"]["ports"]}
    assert endpoint["port"] in ports
