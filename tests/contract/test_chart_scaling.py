"""How many pods there are, who says so, and how they stay when nodes go."""

from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest

from gateway.metrics import GatewayMetrics
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import ServiceMetrics
from tests.contract.chart import NAMESPACE, of_kind, render

PROMETHEUS = "http://prometheus.example.com:9090"


def scaled(by: str = "keda", **more: Any) -> dict[str, Any]:
    """Values with chat scaled by one of the two."""
    return {
        "autoscaling": {"prometheusUrl": PROMETHEUS},
        "capabilities": {"chat": {"autoscaling": {"by": by, **more}}},
    }


def levels(text: str) -> dict[str, Any]:
    values = scaled()
    values["capabilities"]["chat"]["env"] = {"ORFEON_CHAT_MAX_QUEUED_PER_LEVEL": text}
    return values


def every(**more: Any) -> dict[str, Any]:
    return {
        "gateway": {
            "database": {"secretName": "database"},
            "autoscaling": {"by": "keda", "minReplicas": 3},
        },
        **scaled(**more),
    }


def test_nothing_is_scaled_unless_asked_for() -> None:
    assert of_kind({}, "HorizontalPodAutoscaler") == of_kind({}, "ScaledObject") == {}
    assert of_kind({}, "Deployment")["chat"]["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("by", "kind"), [("hpa", "HorizontalPodAutoscaler"), ("keda", "ScaledObject")]
)
def test_an_autoscaler_alone_owns_the_number_of_pods(by: str, kind: str) -> None:
    values = scaled(by)
    found = of_kind(values, "Deployment")
    assert "replicas" not in found["chat"]["spec"]
    assert found["lyrics"]["spec"]["replicas"] == 1
    assert set(of_kind(values, kind)) == {"chat"}
    target = of_kind(values, kind)["chat"]["spec"]["scaleTargetRef"]
    assert target == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": found["chat"]["metadata"]["name"],
    }


@pytest.mark.parametrize(("told", "target"), [({}, "8"), ({"requestsPerReplica": 12}, "12")])
def test_pods_are_counted_by_what_waits_and_what_is_worked_on(
    told: dict[str, Any], target: str
) -> None:
    (trigger,) = of_kind(scaled(**told), "ScaledObject")["chat"]["spec"]["triggers"]
    assert (trigger["type"], trigger["metricType"]) == ("prometheus", "AverageValue")
    assert trigger["metadata"] == {
        "serverAddress": PROMETHEUS,
        "query": f'sum(orfeon_pending_requests{{namespace="{NAMESPACE}",'
        'service="prod-orfeon-chat"})',
        "threshold": target,
        "ignoreNullValues": "false",
    }
    (metric,) = of_kind(scaled("hpa", **told), "HorizontalPodAutoscaler")["chat"]["spec"]["metrics"]
    assert metric["pods"] == {
        "metric": {"name": "orfeon_pending_requests"},
        "target": {"type": "AverageValue", "averageValue": target},
    }


def test_the_metrics_exist() -> None:
    by_component = {
        "chat": ServiceMetrics("chat", "0").registry,
        "gateway": GatewayMetrics("0").registry,
    }
    for component, found in of_kind(every(), "ScaledObject").items():
        query = found["spec"]["triggers"][0]["metadata"]["query"]
        name = query.removeprefix("sum(").partition("{")[0]
        assert name in {metric.name for metric in by_component[component].collect()}


def test_who_cannot_see_the_load_leaves_the_pods_as_they_are() -> None:
    spec = of_kind(every(minReplicas=2), "ScaledObject")["chat"]["spec"]
    assert spec["fallback"] == {
        "failureThreshold": 3,
        "replicas": 2,
        "behavior": "currentReplicasIfHigher",
    }
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 4)
    assert "idleReplicaCount" not in spec


@pytest.mark.parametrize("version", ["1.30", "1.34"])
def test_a_horizontal_autoscaler_is_valid(version: str) -> None:
    for found in of_kind(scaled("hpa"), "HorizontalPodAutoscaler").values():
        kubernetes_validate.validate(found, version, strict=True)


def test_more_pods_are_started_before_requests_are_refused() -> None:
    lowest = min(ServiceSettings().max_queued_per_level)
    full = 8 + lowest
    render(scaled(requestsPerReplica=full - 1))
    with pytest.raises(helm.HelmRenderError, match=f"below {full}, at which a pod refuses"):
        render(scaled(requestsPerReplica=full))
    values = scaled(requestsPerReplica=12)
    values["capabilities"]["chat"]["env"] = {"ORFEON_CHAT_MAX_QUEUED_PER_LEVEL": "[4, 9, 9]"}
    with pytest.raises(helm.HelmRenderError, match="below 12, at which"):
        render(values)


CLAIM = {"volume": {"existingClaim": "claim"}}
TWO = {"replicas": 2}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"capabilities": {"song": TWO}}, "capabilities.song keeps a database on its volume"),
        (
            {"capabilities": {"training": {"enabled": True, **TWO, **CLAIM}}},
            "capabilities.training keeps a database on its volume",
        ),
        (
            {"capabilities": {"song": {"autoscaling": {"by": "hpa"}}}},
            "leave capabilities.song.replicas at 1 and its autoscaling off",
        ),
        ({"capabilities": {"images": TWO}}, "need capabilities.images.volume.existingClaim"),
        (
            {"gateway": {"autoscaling": {"by": "hpa"}}},
            "needs gateway.database.secretName, as does gateway.autoscaling",
        ),
        (scaled(minReplicas=5), "capabilities.chat.autoscaling.minReplicas is above maxReplicas"),
        (scaled() | {"autoscaling": {}}, "name it in autoscaling.prometheusUrl"),
        (levels("[16, 64]"), "three numbers, one for each level"),
        (levels("many"), "ORFEON_CHAT_MAX_QUEUED_PER_LEVEL is many"),
    ],
)
def test_an_impossible_number_of_pods_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render(values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (scaled(minReplicas=0), "minReplicas"),
        (scaled("both"), "by"),
        ({"triton": {"autoscaling": {"by": "hpa"}}}, "autoscaling"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmValuesError, match=told):
        render(values)
