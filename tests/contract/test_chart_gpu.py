"""One value says what GPUs the cluster has, and the chart does the rest."""

from typing import Any

import helm_python as helm
import pytest

from tests.contract.chart import (
    CAPABILITIES,
    CHART,
    Object,
    container,
    environment,
    of_kind,
    pod,
    render,
)

#: The capabilities that have an image for GPUs, which docs/containers.md lists.
ABLE = {"chat", "emotion", "images", "lyrics", "melody", "speech"}
RESOURCES = {
    "whole": "nvidia.com/gpu",
    "mig": "nvidia.com/mig-1g.10gb",
    "shared": "nvidia.com/gpu.shared",
}
TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def profile(name: str, **more: Any) -> dict[str, Any]:
    return {"image": {"tag": "1.2.3"}, "gpu": {"profile": name}, **more}


def deployments(values: dict[str, Any]) -> dict[str, Object]:
    return of_kind(values, "Deployment")


def gpus(deployment: Object) -> dict[str, int]:
    limits = container(deployment)["resources"].get("limits", {})
    return {name: count for name, count in limits.items() if name.startswith("nvidia.com/")}


def test_without_a_profile_nothing_asks_for_a_gpu_or_looks_for_one() -> None:
    found = deployments({"triton": {"enabled": True}})
    for name, deployment in found.items():
        assert gpus(deployment) == {}
        assert "nodeSelector" not in pod(deployment)
        assert TAINT not in pod(deployment).get("tolerations", [])
        assert not container(deployment)["image"].endswith("-cuda")
        if name in ABLE:
            assert environment(deployment)[f"ORFEON_{name.upper()}_DEVICE"] == "cpu"
    assert environment(found["triton"])["ORFEON_SPEECH_DEVICE"] == "cpu"


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_a_profile_is_all_that_pods_with_a_gpu_need(name: str) -> None:
    values = profile(name)
    values["gpu"]["runtimeClassName"] = "nvidia"
    for component, deployment in deployments(values).items():
        able = component in ABLE
        assert gpus(deployment) == ({RESOURCES[name]: 1} if able else {})
        assert (TAINT in pod(deployment).get("tolerations", [])) is able
        selected = pod(deployment).get("nodeSelector", {})
        assert ("nvidia.com/gpu.present" in selected) is able
        assert (pod(deployment).get("runtimeClassName") == "nvidia") is able
        assert container(deployment)["image"].endswith("1.2.3-cuda") is able
        assert container(deployment)["securityContext"]["readOnlyRootFilesystem"] is not able
        if able:
            assert environment(deployment)[f"ORFEON_{component.upper()}_DEVICE"] == "auto"
            # A second pod would wait for the GPU of the first.
            assert deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_the_arbiter_is_there_where_gpus_are_shared(name: str) -> None:
    values = profile(name)
    arbiters = of_kind(values, "DaemonSet")
    assert set(arbiters) == ({"arbiter"} if name == "shared" else set())
    for component, deployment in deployments(values).items():
        told = "ORFEON_ARBITER" in environment(deployment)
        assert told is (name == "shared" and component in ABLE)
    for arbiter in arbiters.values():
        assert environment(arbiter)["NVIDIA_VISIBLE_DEVICES"] == "all"
        assert pod(arbiter)["nodeSelector"] == pod(deployments(values)["chat"])["nodeSelector"]
        assert TAINT in pod(arbiter)["tolerations"]


def test_what_computes_on_triton_has_its_gpu_there() -> None:
    found = deployments(profile("mig", triton={"enabled": True}))
    with_gpu = {name for name, deployment in found.items() if gpus(deployment)}
    assert with_gpu == {"chat", "lyrics", "triton"}
    assert environment(found["triton"])["ORFEON_SPEECH_DEVICE"] == "auto"
    # NVIDIA's image is one for GPUs and CPUs.
    assert container(found["triton"])["image"].endswith("orfeon-triton:1.2.3")


def test_fake_engines_need_none() -> None:
    values = profile("whole", capabilityDefaults={"engine": "fake"}, triton={"enabled": True})
    found = deployments(values)
    assert {name for name, deployment in found.items() if gpus(deployment)} == {"triton"}


def test_a_capability_may_differ_from_the_profile() -> None:
    values = profile(
        "whole",
        capabilities={
            "chat": {"gpu": {"count": 2}, "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4"}},
            "emotion": {"gpu": {"enabled": False}},
            "speech": {
                "gpu": {"resource": "nvidia.com/mig-2g.20gb", "runtimeClassName": "other"},
                "image": {"tag": "mine"},
                "env": {"ORFEON_SPEECH_DEVICE": "cuda"},
                "tolerations": [{"key": "team", "operator": "Exists"}],
            },
        },
    )
    found = deployments(values)
    assert gpus(found["chat"]) == {"nvidia.com/gpu": 2}
    assert pod(found["chat"])["nodeSelector"] == {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": "NVIDIA-L4",
    }
    assert gpus(found["emotion"]) == {}
    assert gpus(found["speech"]) == {"nvidia.com/mig-2g.20gb": 1}
    assert pod(found["speech"])["runtimeClassName"] == "other"
    assert pod(found["speech"])["tolerations"] == [{"key": "team", "operator": "Exists"}, TAINT]
    assert environment(found["speech"])["ORFEON_SPEECH_DEVICE"] == "cuda"
    assert container(found["speech"])["image"].endswith("orfeon-speech:mine")


def test_a_claim_of_a_device_goes_before_the_resource() -> None:
    values = profile("whole", capabilities={"chat": {"gpu": {"resource": "nvidia.com/gpu"}}})
    values["gpu"]["resourceClaimTemplate"] = "one-gpu"
    found = deployments(values)
    assert pod(found["lyrics"])["resourceClaims"] == [
        {"name": "gpu", "resourceClaimTemplateName": "one-gpu"}
    ]
    assert container(found["lyrics"])["resources"]["claims"] == [{"name": "gpu"}]
    assert gpus(found["lyrics"]) == {}
    assert "resourceClaims" not in pod(found["chat"])
    assert gpus(found["chat"]) == {"nvidia.com/gpu": 1}


OFF = {name: {"gpu": {"enabled": False}} for name in ABLE}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"capabilities": {"chat": {"gpu": {"resource": "nvidia.com/gpu"}}}}, "set gpu.profile"),
        (
            profile("whole", capabilities={"song": {"gpu": {"resource": "nvidia.com/gpu"}}}),
            "set capabilities.song.gpu.enabled to true",
        ),
        (
            {"triton": {"enabled": True, "gpu": {"resourceClaimTemplate": "one-gpu"}}},
            "triton.gpu names a GPU, but gpu.profile is cpu",
        ),
        (
            profile("shared", capabilities={"chat": {"gpu": {"count": 2}}}),
            "capabilities.chat.gpu.count is above 1",
        ),
        (
            {"gpu": {"profile": "shared", "shared": {"replicas": 4}}},
            "6 pods want a shared GPU and gpu.shared.replicas says that there are places for 4",
        ),
        (profile("mig", arbiter={"enabled": True}), "Turn the arbiter off"),
        (profile("whole", capabilities=OFF), "nothing uses a GPU"),
    ],
)
def test_an_impossible_combination_fails_with_a_sentence(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render(values)


@pytest.mark.parametrize(("version", "refused"), [("v1.33.0", True), ("v1.34.0", False)])
def test_claims_of_devices_need_a_kubernetes_that_has_them(
    version: str, refused: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    values = {"gpu": {"profile": "whole", "resourceClaimTemplate": "one-gpu"}}
    # It renders for any version, but takes no failure for an error: that it logs.
    helm.lint(CHART, values, kube_version=version)
    assert ("needs Kubernetes 1.34" in capfd.readouterr().err) is refused


def test_every_capability_with_an_image_for_gpus_can_use_one() -> None:
    found = deployments(profile("whole"))
    assert set(CAPABILITIES) >= ABLE
    assert {name for name, deployment in found.items() if gpus(deployment)} == ABLE
