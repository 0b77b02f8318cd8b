"""Resources that no pod can have are refused with a sentence: a cluster would only make no pods."""

from typing import Any

import helm_python as helm
import pytest

from tests.contract.chart import ALL_ON, render


def limits(**each: object) -> dict[str, Any]:
    return {"resources": {"limits": each}}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"capabilities": {"chat": limits(memory="512Mi")}},
            "capabilities.chat.resources.requests.memory is 1Gi and its limit 512Mi",
        ),
        ({"capabilities": {"emotion": limits(cpu="250m")}}, "is 500m and its limit 250m"),
        ({"capabilities": {"emotion": limits(cpu=0.25)}}, "is 500m and its limit 0.25"),
        ({"gateway": limits(memory="100M")}, "gateway.resources.requests.memory"),
        ({"redis": limits(memory="1Mi")}, "redis.resources.requests.memory"),
        ({"models": {"fetch": limits(memory="1Mi")}}, "models.fetch.resources.requests.memory"),
        (
            ALL_ON | {"training": {"kubernetes": limits(memory="1Gi")}},
            "training.kubernetes.resources.requests.memory",
        ),
        (
            {"capabilities": {"chat": limits(**{"nvidia.com/gpu": 1})}},
            "GPUs are given by gpu.profile",
        ),
        ({"triton": {"enabled": True, "sharedMemory": "8Gi"}}, "triton.sharedMemory"),
    ],
)
def test_what_no_pod_can_have_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render(values)


def test_what_is_off_may_have_anything() -> None:
    assert render({"triton": {"sharedMemory": "8Gi"}})
    assert render({"capabilities": {"chat": {"enabled": False, **limits(memory="512Mi")}}})


def test_a_request_may_be_the_limit_or_have_none() -> None:
    assert render({"gateway": {"resources": {"requests": {"cpu": "2000m"}, "limits": {"cpu": 2}}}})
