"""What the chart renders is valid, restricted, and says what our containers understand."""

import pytest
import yaml

from services.chat.settings import ChatSettings
from services.speech.settings import SpeechSettings
from tests.contract.chart import (
    CAPABILITIES,
    CHART,
    EVERY_FLAVOUR,
    RELEASE,
    container,
    environment,
    objects,
    of_kind,
    values_of,
)


@EVERY_FLAVOUR
def test_every_object_has_a_name_of_its_own_in_the_release(flavour: str) -> None:
    names = [(found["kind"], found["metadata"]["name"]) for found in objects(values_of(flavour))]
    assert len(names) == len(set(names))
    assert all(name.startswith(RELEASE) and len(name) <= 63 for _, name in names)


@EVERY_FLAVOUR
def test_liveness_of_a_model_server_does_not_ask_what_readiness_asks(flavour: str) -> None:
    for name, deployment in of_kind(values_of(flavour), "Deployment").items():
        if name in ("gateway", "studio"):
            continue
        probes = container(deployment)
        question = {"httpGet", "grpc"}
        alive, ready = (
            {key: value for key, value in probes[name].items() if key in question}
            for name in ("livenessProbe", "readinessProbe")
        )
        assert alive
        assert alive != ready


def test_metrics_are_scraped_from_every_container_and_reached_from_outside_by_none() -> None:
    values = values_of("triton")
    monitors, services = of_kind(values, "ServiceMonitor"), of_kind(values, "Service")
    on = {*CAPABILITIES} - {"training"}
    assert set(monitors) == set(services) == {"gateway", "studio", "triton", *on}
    for name, monitor in monitors.items():
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in services[name]["spec"]["ports"]}
        labels = services[name]["metadata"]["labels"].items()
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels
    for route in of_kind(values, "IngressRoute")["gateway"]["spec"]["routes"]:
        assert "metrics" not in route["match"]
        assert "PathPrefix(`/`)" not in route["match"]


@pytest.mark.parametrize(
    ("cpu", "slots", "threads"), [("2", 1, "2"), ("1500m", 1, "2"), ("4", 3, "1"), ("500m", 2, "1")]
)
def test_threads_are_the_cores_of_the_limit_over_the_slots(
    cpu: str, slots: int, threads: str
) -> None:
    resources = {"requests": {"cpu": "500m"}, "limits": {"cpu": cpu}}
    speech = {"slots": slots, "resources": resources}
    told = environment(of_kind({"capabilities": {"speech": speech}}, "Deployment")["speech"])
    assert told["ORFEON_SPEECH_THREADS"] == told["OMP_NUM_THREADS"] == threads


@pytest.mark.parametrize("name", ["chat", "lyrics"])
def test_slots_that_decode_together_share_all_threads(name: str) -> None:
    told = environment(of_kind({}, "Deployment")[name])
    assert told[f"ORFEON_{name.upper()}_THREADS"] == told["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize(
    ("name", "slots"), [("speech", SpeechSettings().slots), ("chat", ChatSettings().slots)]
)
def test_a_capability_has_the_slots_of_its_own_settings(name: str, slots: int) -> None:
    told = environment(of_kind({}, "Deployment")[name])
    assert told[f"ORFEON_{name.upper()}_SLOTS"] == str(slots)


def test_a_digest_goes_before_a_tag_and_both_after_the_registry() -> None:
    found = of_kind(values_of("triton"), "Deployment")
    assert container(found["gateway"])["image"].startswith(
        "registry.example.com/orfeon/orfeon-gateway@sha256:0123"
    )
    version = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"]
    assert container(found["song"])["image"].endswith(f"/orfeon-song:{version}")
