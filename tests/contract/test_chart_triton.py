"""Triton in the chart: who computes there, how it is started, who may call it."""

from typing import Any

import pytest

from services.runtime.settings import TritonSettings
from tests.contract.chart import (
    CAPABILITIES,
    NAMESPACE,
    ROOT,
    Object,
    container,
    environment,
    of_kind,
    pod,
    settings_of,
    values_of,
    variables_of,
)

ON = {"triton": {"enabled": True}}
#: Those whose settings say that they can compute there.
ABLE = {
    name
    for name in CAPABILITIES
    if issubclass(settings_of(f"services.{name}.settings"), TritonSettings)
}


def deployments(values: dict[str, Any]) -> dict[str, Object]:
    return of_kind(values, "Deployment")


def arguments(values: dict[str, Any]) -> dict[str, str]:
    given = container(deployments(values)["triton"])["args"]
    return {name: value for name, _, value in (each.partition("=") for each in given)}


def test_there_is_none_unless_asked_for() -> None:
    assert "triton" not in deployments({})
    assert "triton" not in of_kind({}, "NetworkPolicy")
    for deployment in deployments({}).values():
        assert not [name for name in environment(deployment) if "TRITON" in name]


def test_one_value_has_every_capability_that_can_compute_there() -> None:
    service = of_kind(ON, "Service")["triton"]
    (port,) = (p["port"] for p in service["spec"]["ports"] if p["name"] == "grpc")
    url = f"{service['metadata']['name']}.{NAMESPACE}.svc.cluster.local:{port}"
    found = {
        name: environment(deployment)[f"ORFEON_{name.upper()}_TRITON_URL"]
        for name, deployment in deployments(ON).items()
        if environment(deployment).get(f"ORFEON_{name.upper()}_ENGINE") == "triton"
    }
    assert found == dict.fromkeys(ABLE, url)


def test_emotion_gives_the_server_many_requests_at_once() -> None:
    for values, slots in ((ON, "32"), ({}, "1")):
        assert environment(deployments(values)["emotion"])["ORFEON_EMOTION_SLOTS"] == slots


def test_a_capability_may_compute_elsewhere() -> None:
    values = {
        "triton": {"enabled": True, "capabilities": {"emotion": {"enabled": False}}},
        "capabilities": {"speech": {"engine": "fake"}},
    }
    told = {name: environment(each) for name, each in deployments(values).items()}
    assert "ORFEON_EMOTION_ENGINE" not in told["emotion"]
    assert told["speech"]["ORFEON_SPEECH_ENGINE"] == "fake"
    assert "ORFEON_SPEECH_TRITON_URL" not in told["speech"]
    assert told["melody"]["ORFEON_MELODY_ENGINE"] == "triton"


def test_memory_there_is_what_the_settings_take(monkeypatch: pytest.MonkeyPatch) -> None:
    told = environment(deployments(values_of("triton"))["melody"])
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert settings_of("services.melody.settings")().model_dump()["triton_memory"] == 4_000_000_000


@pytest.mark.parametrize("flavour", ["triton", "triton-cpu"])
def test_its_variables_are_settings_of_the_capabilities_that_compute_there(flavour: str) -> None:
    known = {"OMP_NUM_THREADS"}
    for name in ABLE:
        known |= variables_of(settings_of(f"services.{name}.settings"))
    told = environment(deployments(values_of(flavour))["triton"])
    assert set(told) <= known
    assert told["ORFEON_HOME"] in [
        each["mountPath"]
        for each in container(deployments(values_of(flavour))["triton"])["volumeMounts"]
    ]


def test_it_has_the_threads_of_its_own_limit() -> None:
    told = environment(deployments(values_of("triton-cpu"))["triton"])
    assert told["OMP_NUM_THREADS"] == told["ORFEON_EMOTION_THREADS"] == "4"


def test_models_are_loaded_by_who_needs_them() -> None:
    found = arguments(ON)
    assert found["--model-control-mode"] == "explicit"
    assert "--disable-auto-complete-config" in found
    assert "--load-model" not in found
    # It stays in its Service while it loads one.
    assert found["--strict-readiness"] == "false"
    assert (ROOT / "triton-repo" / arguments(values_of("triton-cpu"))["--load-model"]).is_dir()


def test_heavy_models_take_turns_and_no_answer_is_kept() -> None:
    assert arguments(ON)["--rate-limit"] == "execution_count"
    assert arguments(ON)["--rate-limit-resource"] == "memory:4"
    assert "--cache-config" not in arguments(ON)


def test_a_repository_of_ones_own_goes_before_that_of_the_image() -> None:
    for values, claimed in ((ON, []), (values_of("triton-cpu"), ["orfeon-triton-repository"])):
        triton = deployments(values)["triton"]
        mounts = [
            m["mountPath"] for m in container(triton)["volumeMounts"] if m["name"] == "models"
        ]
        claims = [v for v in pod(triton)["volumes"] if v["name"] == "models"]
        assert mounts == [arguments(values)["--model-repository"]] * len(claimed)
        assert [each["persistentVolumeClaim"]["claimName"] for each in claims] == claimed


def test_python_models_have_shared_memory_of_a_size() -> None:
    (shm,) = (v for v in pod(deployments(ON)["triton"])["volumes"] if v["name"] == "shm")
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "512Mi"}


def test_on_a_gpu_it_asks_for_one_and_otherwise_not() -> None:
    assert "nvidia.com/gpu" not in container(deployments(ON)["triton"])["resources"]["limits"]
    on_gpu = deployments(values_of("triton"))["triton"]
    assert container(on_gpu)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod(on_gpu)["nodeSelector"] == {"nvidia.com/gpu.present": "true"}


def test_no_service_offers_what_http_would() -> None:
    ports = {each["name"] for each in of_kind(ON, "Service")["triton"]["spec"]["ports"]}
    assert ports == {"grpc", "metrics"}


def test_capabilities_and_triton_have_the_models_of_one_claim() -> None:
    found = deployments(values_of("triton"))
    claims = {
        name: volume["persistentVolumeClaim"]["claimName"]
        for name in ("triton", *ABLE)
        for volume in pod(found[name])["volumes"]
        if volume["name"] == "weights"
    }
    assert claims == dict.fromkeys(("triton", *ABLE), "orfeon-models")
