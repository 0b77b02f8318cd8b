"""Chart, containers and Triton's repository say the same of services, ports and variables."""

import importlib

import yaml

from services.runtime.endpoint import LIVENESS
from tests.contract.chart import (
    ALL_ON,
    CAPABILITIES,
    CHART,
    EVERY_FLAVOUR,
    NAMESPACE,
    ROOT,
    container,
    environment,
    of_kind,
    settings_of,
    values_of,
    variables_of,
)

#: What OpenTelemetry reads by itself.
OF_LIBRARIES = {
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "POD_NAME",
}


def test_capabilities_are_probed_by_the_services_that_they_serve() -> None:
    for name in CAPABILITIES:
        module = importlib.import_module(f"orfeon.api.{name}.v1.{name}_pb2")
        (service,) = (each.full_name for each in module.DESCRIPTOR.services_by_name.values())
        probed = container(of_kind(ALL_ON, "Deployment")[name])
        assert probed["startupProbe"]["grpc"] == {"port": 50051, "service": service}
        assert probed["readinessProbe"]["grpc"] == {"port": 50051, "service": service}
        assert probed["livenessProbe"]["grpc"] == {"port": 50051, "service": LIVENESS}


def test_each_folder_of_a_capability_is_in_the_chart() -> None:
    folders = {path.parent.name for path in ROOT.glob("services/*/engine.py")}
    assert folders <= set(CAPABILITIES)
    assert set(of_kind(ALL_ON, "Deployment")) == {"gateway", "studio", *CAPABILITIES}


@EVERY_FLAVOUR
def test_each_variable_of_a_capability_is_one_of_its_settings(flavour: str) -> None:
    for name, deployment in of_kind(values_of(flavour), "Deployment").items():
        if name not in CAPABILITIES:
            continue
        settings = settings_of(f"services.{name}.settings")
        known = variables_of(settings) | OF_LIBRARIES | {"HF_HUB_OFFLINE", "OMP_NUM_THREADS"}
        names = {each["name"].partition("__")[0] for each in container(deployment)["env"]}
        assert names <= known


@EVERY_FLAVOUR
def test_each_variable_of_the_gateway_is_one_of_its_settings(flavour: str) -> None:
    gateway = container(of_kind(values_of(flavour), "Deployment")["gateway"])
    names = {entry["name"].partition("__")[0] for entry in gateway["env"]}
    assert names <= variables_of(settings_of("gateway.settings")) | OF_LIBRARIES


def test_the_gateway_finds_each_capability_at_its_service() -> None:
    services = of_kind(ALL_ON, "Service")
    gateway = environment(of_kind(ALL_ON, "Deployment")["gateway"])
    for name in CAPABILITIES:
        service = services[name]
        (port,) = (p["port"] for p in service["spec"]["ports"] if p["name"] == "grpc")
        domain = f"{service['metadata']['name']}.{NAMESPACE}.svc.cluster.local"
        assert gateway[f"ORFEON_GATEWAY_UPSTREAMS__{name.upper()}"] == f"dns:///{domain}:{port}"
        capability = environment(of_kind(ALL_ON, "Deployment")[name])
        assert capability[f"ORFEON_{name.upper()}_ADDRESS"].endswith(f":{port}")


def test_a_capability_finds_those_it_calls_that_are_on() -> None:
    off = {"capabilities": {"emotion": {"enabled": False}}}
    gateway = environment(of_kind(off, "Deployment")["gateway"])
    song = environment(of_kind(off, "Deployment")["song"])
    told = {name: value for name, value in song.items() if "UPSTREAMS" in name}
    assert told == {
        f"ORFEON_SONG_UPSTREAMS__{name}": gateway[f"ORFEON_GATEWAY_UPSTREAMS__{name}"]
        for name in ("LYRICS", "MELODY", "SPEECH")
    }


def test_the_gateway_serves_on_while_a_capability_is_down() -> None:
    probes = container(of_kind(ALL_ON, "Deployment")["gateway"])
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert probes[name]["httpGet"]["path"] == "/healthz"


def test_the_gateway_is_told_only_of_capabilities_that_are_on() -> None:
    gateway = environment(of_kind(values_of("minimal"), "Deployment")["gateway"])
    assert [name for name in gateway if "UPSTREAMS" in name] == ["ORFEON_GATEWAY_UPSTREAMS__CHAT"]


def test_the_chart_and_the_package_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == importlib.import_module("orfeon").__version__
