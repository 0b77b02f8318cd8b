"""Chart, containers and Triton's repository say the same of services, ports and variables."""

import importlib

import yaml
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from services.runtime.endpoint import LIVENESS
from services.runtime.settings import ServiceSettings
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
    values_of,
)


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
    assert set(of_kind(ALL_ON, "Deployment")) == {"gateway", *CAPABILITIES}


def _settings(module: str, base: type[BaseSettings]) -> type[BaseSettings]:
    """The settings class that a container reads: the one of the module that is most derived."""
    found = [
        each
        for each in vars(importlib.import_module(module)).values()
        if isinstance(each, type) and issubclass(each, base) and each.__module__ == module
    ]
    (only,) = found
    return only


def _variables(settings: type[BaseSettings]) -> set[str]:
    """The names of the variables that a settings class reads, nested ones not followed."""
    names = set()
    for name, field in settings.model_fields.items():
        match field.validation_alias:
            case None:
                names.add(settings.model_config["env_prefix"] + name.upper())
            case AliasChoices(choices=choices):
                names.update(str(each) for each in choices)
            case alias:
                names.add(str(alias))
    return names


@EVERY_FLAVOUR
def test_each_variable_of_a_capability_is_one_of_its_settings(flavour: str) -> None:
    for name, deployment in of_kind(values_of(flavour), "Deployment").items():
        if name not in CAPABILITIES:
            continue
        settings = _settings(f"services.{name}.settings", BaseSettings)
        known = _variables(settings) | {"OMP_NUM_THREADS"}
        names = {each["name"].partition("__")[0] for each in container(deployment)["env"]}
        assert names <= known


@EVERY_FLAVOUR
def test_each_variable_of_the_gateway_is_one_of_its_settings(flavour: str) -> None:
    gateway = container(of_kind(values_of(flavour), "Deployment")["gateway"])
    names = {entry["name"].partition("__")[0] for entry in gateway["env"]}
    assert names <= _variables(_settings("gateway.settings", BaseSettings))


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


def test_emotion_finds_triton_at_its_service() -> None:
    service = of_kind(values_of("triton"), "Service")["triton"]
    (port,) = (p["port"] for p in service["spec"]["ports"] if p["name"] == "grpc")
    emotion = environment(of_kind(values_of("triton"), "Deployment")["emotion"])
    domain = f"{service['metadata']['name']}.{NAMESPACE}.svc.cluster.local"
    assert emotion["ORFEON_EMOTION_TRITON_URL"] == f"{domain}:{port}"
    assert emotion["ORFEON_EMOTION_ENGINE"] == "triton"


def test_variables_of_triton_are_settings_of_a_capability() -> None:
    triton = environment(of_kind(values_of("triton"), "Deployment")["triton"])
    assert triton
    assert set(triton) <= _variables(_settings("services.emotion.settings", ServiceSettings))


def test_triton_loads_models_that_are_in_its_repository() -> None:
    triton = container(of_kind(values_of("triton"), "Deployment")["triton"])
    loaded = [each.partition("=")[2] for each in triton["args"] if "--load-model=" in each]
    assert loaded
    assert all((ROOT / "triton-repo" / name / "config.pbtxt").is_file() for name in loaded)


def test_the_chart_and_the_package_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == importlib.import_module("orfeon").__version__
