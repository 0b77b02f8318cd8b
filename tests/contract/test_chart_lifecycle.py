"""Times of start and end that have to be in order, over everything that a request passes."""

import re
from typing import Any

import helm_python as helm
import pytest
import yaml

from gateway.settings import GatewaySettings
from services.runtime.connection import _OPTIONS
from services.runtime.settings import ServiceSettings
from tests.contract.chart import (
    CHART,
    EVERY_FLAVOUR,
    Object,
    container,
    environment,
    of_kind,
    pod,
    settings_of,
    values_of,
)


def drain(name: str, deployment: Object) -> int:
    """Seconds that requests may go on after the pod is told to stop."""
    if name != "triton":
        return int(environment(deployment)[f"ORFEON_{name.upper()}_DRAIN_SECONDS"])
    (told,) = (
        argument.partition("=")[2]
        for argument in container(deployment)["args"]
        if argument.startswith("--exit-timeout-secs=")
    )
    return int(told)


def pre_stop(deployment: Object) -> int:
    return int(container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"])


def budget(probe: dict[str, int]) -> int:
    return probe["periodSeconds"] * probe["failureThreshold"]


@EVERY_FLAVOUR
def test_a_pod_is_not_killed_before_its_requests_end(flavour: str) -> None:
    for name, deployment in of_kind(values_of(flavour), "Deployment").items():
        grace = pod(deployment)["terminationGracePeriodSeconds"]
        assert pre_stop(deployment) > 0
        assert pre_stop(deployment) + drain(name, deployment) < grace


@EVERY_FLAVOUR
def test_who_is_called_stays_as_long_as_who_calls(flavour: str) -> None:
    found = of_kind(values_of(flavour), "Deployment")
    for name, deployment in found.items():
        if name in ("gateway", "triton"):
            continue
        assert drain(name, deployment) <= drain("gateway", found["gateway"])
        if environment(deployment).get(f"ORFEON_{name.upper()}_ENGINE") == "triton":
            assert drain(name, deployment) <= drain("triton", found["triton"])


@EVERY_FLAVOUR
def test_a_pod_has_left_its_service_when_it_takes_no_more_requests(flavour: str) -> None:
    """Who calls by name learns of pods that go within the time before they do."""
    options: dict[str, Any] = dict(_OPTIONS)
    looks = options["grpc.dns_min_time_between_resolutions_ms"] / 1000
    for deployment in of_kind(values_of(flavour), "Deployment").values():
        assert pre_stop(deployment) > looks


@EVERY_FLAVOUR
def test_loading_may_take_as_long_as_the_settings_allow(flavour: str) -> None:
    for name, deployment in of_kind(values_of(flavour), "Deployment").items():
        start = container(deployment)["startupProbe"]
        if name not in ("gateway", "studio"):
            assert deployment["spec"]["progressDeadlineSeconds"] > budget(start)
        if name in ("gateway", "triton"):
            continue
        settings = settings_of(f"services.{name}.settings")
        if issubclass(settings, ServiceSettings):
            variable = f"ORFEON_{name.upper()}_LOAD_TIMEOUT"
            default = settings.model_fields["load_timeout"].default
            assert budget(start) >= float(environment(deployment).get(variable, default))


@EVERY_FLAVOUR
def test_readiness_gives_up_long_before_liveness_does(flavour: str) -> None:
    for deployment in of_kind(values_of(flavour), "Deployment").values():
        probes = container(deployment)
        assert budget(probes["readinessProbe"]) * 2 < budget(probes["livenessProbe"])


def test_the_gateway_waits_for_a_pod_that_is_replaced_less_long_than_for_a_request() -> None:
    settings = GatewaySettings.model_fields
    assert settings["retry_seconds"].default < settings["request_timeout"].default


def test_the_edge_lets_requests_end_that_the_gateway_lets_end() -> None:
    text = (CHART / "examples" / "traefik-values.yaml").read_text("utf-8")
    traefik = yaml.safe_load(text)
    transport = traefik["ports"]["websecure"]["transport"]
    seconds = {
        name: int(re.fullmatch(r"(\d+)s", value)[1])  # type: ignore[index]
        for part in transport.values()
        for name, value in part.items()
    }
    gateway = of_kind({}, "Deployment")["gateway"]
    assert seconds["graceTimeOut"] >= drain("gateway", gateway)
    assert (
        traefik["deployment"]["terminationGracePeriodSeconds"]
        > seconds["requestAcceptGraceTimeout"] + seconds["graceTimeOut"]
    )
    # One request may last as long as the gateway lets it, and be written without an end.
    assert seconds["readTimeout"] > GatewaySettings.model_fields["request_timeout"].default
    assert seconds["writeTimeout"] == 0


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"capabilities": {"chat": {"startupSeconds": 300}}},
            "capabilities.chat.startupSeconds is 300, and a model may take 600 to load",
        ),
        (
            {"capabilities": {"chat": {"env": {"ORFEON_CHAT_LOAD_TIMEOUT": "900"}}}},
            "lower env.ORFEON_CHAT_LOAD_TIMEOUT",
        ),
        (
            {"capabilities": {"chat": {"env": {"ORFEON_CHAT_LOAD_TIMEOUT": "ten"}}}},
            "is ten, which is no number of seconds",
        ),
        (
            {"triton": {"enabled": True}, "capabilities": {"emotion": {"drainSeconds": 40}}},
            "capabilities.emotion.drainSeconds is above triton.drainSeconds",
        ),
        (
            {"capabilities": {"chat": {"drainSeconds": 90}}},
            "capabilities.chat.drainSeconds is above gateway.drainSeconds",
        ),
    ],
)
def test_times_that_do_not_go_together_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        of_kind(values, "Deployment")
