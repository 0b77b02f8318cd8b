"""Trainings as Jobs: what the chart tells of them, and what their maker may do."""

import inspect
import re
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest

from services.training import kubernetes_runner
from services.training.manifest import job_manifest
from services.training.runner import Run
from services.training.settings import TrainingSettings
from tests.contract.chart import (
    ALL_ON,
    NAMESPACE,
    Object,
    environment,
    objects,
    of_kind,
    pod,
    render,
    values_of,
)

RUN = Run("ftjob-1", ("python",), Path("/var/lib/orfeon/training"))


def settings(values: dict[str, Any]) -> TrainingSettings:
    """The settings that the chart gives the training service."""
    told = environment(of_kind(values, "Deployment")["training"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in told.items():
            patch.setenv(name, value)
        return TrainingSettings()


def job(values: dict[str, Any]) -> Object:
    """The Job that the service would make."""
    made = settings(values)
    return job_manifest(RUN, made.kubernetes, made.home, made.grace_seconds)


def rights(values: dict[str, Any]) -> set[tuple[str, str]]:
    """Verbs and resources that the Role allows."""
    role = of_kind(values, "Role")["training"]
    return {
        (verb, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }


def test_jobs_and_models_of_trainings_are_where_they_are_looked_for() -> None:
    deployments = of_kind(values_of("training"), "Deployment")
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for name in ("training", "emotion")
        for volume in pod(deployments[name])["volumes"]
        if volume["name"] == "home"
    }
    told = settings(values_of("training"))
    assert told.runner == "kubernetes"
    assert {told.kubernetes.claim} == claims
    # Two pods must not hold its database at once.
    assert deployments["training"]["spec"]["strategy"] == {"type": "Recreate"}
    assert told.kubernetes.node_selector == {"nvidia.com/gpu.present": "true"}
    assert told.kubernetes.limits == {"cpu": "8", "memory": "24Gi"}
    assert told.kubernetes.image == "registry.example.com/orfeon/orfeon-emotion-train:1.2.3"
    assert told.bases == {"wav2vec2-base": "facebook/wav2vec2-base"}


@pytest.mark.parametrize("values", [ALL_ON, values_of("training")], ids=["all on", "training"])
def test_the_job_is_valid_and_known_to_the_policies(values: dict[str, Any]) -> None:
    made = job(values)
    kubernetes_validate.validate(made, "1.34", strict=True)
    policies = of_kind(values, "NetworkPolicy")
    labels = made["spec"]["template"]["metadata"]["labels"]
    for component in ("", "trainer"):
        chosen = policies[component]["spec"]["podSelector"]["matchLabels"]
        assert chosen.items() <= labels.items()


@pytest.mark.parametrize(
    ("profile", "resource"),
    [
        ("cpu", None),
        ("whole", "nvidia.com/gpu"),
        ("mig", "nvidia.com/mig-1g.10gb"),
        ("shared", "nvidia.com/gpu.shared"),
    ],
)
def test_a_training_has_the_gpu_of_the_profile(profile: str, resource: str | None) -> None:
    values = {**ALL_ON, "gpu": {"profile": profile, "runtimeClassName": "nvidia"}}
    spec = job(values)["spec"]["template"]["spec"]
    limits = spec["containers"][0]["resources"]["limits"]
    found = {name for name in limits if name.startswith("nvidia.com/")}
    assert found == ({resource} if resource else set())
    assert spec.get("runtimeClassName") == ("nvidia" if resource else None)
    assert ("nodeSelector" in spec) is bool(resource)


def test_a_training_without_a_network_looks_at_no_hub() -> None:
    assert settings(ALL_ON).kubernetes.env == {}
    offline = settings({**ALL_ON, "models": {"offline": True}})
    assert offline.kubernetes.env == {"HF_HUB_OFFLINE": "1"}


def test_a_training_gives_way_to_what_serves() -> None:
    values = {**ALL_ON, "priorityClasses": {"create": True}}
    classes = {each["metadata"]["name"]: each["value"] for each in _classes(values)}
    serving = pod(of_kind(values, "Deployment")["chat"])["priorityClassName"]
    assert classes[settings(values).kubernetes.priority_class] < classes[serving]


def _classes(values: dict[str, Any]) -> list[Object]:
    return [each for each in objects(values) if each["kind"] == "PriorityClass"]


def test_only_the_service_that_makes_jobs_has_an_account_with_rights() -> None:
    accounts = of_kind(ALL_ON, "ServiceAccount")
    deployments = of_kind(ALL_ON, "Deployment")
    of = {name: pod(each)["serviceAccountName"] for name, each in deployments.items()}
    training = accounts["training"]["metadata"]["name"]
    assert [name for name, account in of.items() if account == training] == ["training"]
    assert {*of.values()} == {each["metadata"]["name"] for each in accounts.values()}
    tokens = {name: pod(each)["automountServiceAccountToken"] for name, each in deployments.items()}
    assert [name for name, mounted in tokens.items() if mounted] == ["training"]
    binding = of_kind(ALL_ON, "RoleBinding")["training"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": training, "namespace": NAMESPACE}
    ]
    assert binding["roleRef"]["name"] == of_kind(ALL_ON, "Role")["training"]["metadata"]["name"]
    assert settings(ALL_ON).kubernetes.service_account == of["chat"]


def test_its_rights_are_what_its_program_asks_for() -> None:
    source = inspect.getsource(kubernetes_runner)
    asked = re.findall(r"\.(create|read|delete|list|patch|replace)_namespaced_(\w+)\(", source)
    verbs = {"read": "get", "replace": "update"}
    assert rights(ALL_ON) == {(verbs.get(verb, verb), f"{what}s") for verb, what in asked}


def test_without_trainings_nobody_has_rights() -> None:
    for kind in ("Role", "RoleBinding"):
        assert of_kind({}, kind) == {}
    assert set(of_kind({}, "ServiceAccount")) == {""}


def test_accounts_of_ones_own_are_taken_instead() -> None:
    own = {"serviceAccount": {"name": "quiet", "training": "maker"}, "rbac": {"create": False}}
    values = {**ALL_ON, **own}
    assert of_kind(values, "ServiceAccount") == of_kind(values, "Role") == {}
    deployments = of_kind(values, "Deployment")
    assert pod(deployments["training"])["serviceAccountName"] == "maker"
    assert pod(deployments["gateway"])["serviceAccountName"] == "quiet"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"capabilities": {"training": {"enabled": True}}},
            "needs capabilities.training.volume.existingClaim",
        ),
        (
            {
                "capabilities": {
                    "training": {"enabled": True, "volume": {"existingClaim": "shared"}},
                    "emotion": {"volume": {"existingClaim": "another"}},
                }
            },
            "capabilities.emotion.volume.existingClaim has to be shared",
        ),
        (
            {**ALL_ON, "rbac": {"create": False}},
            "name an account that may make Jobs in serviceAccount.training",
        ),
    ],
)
def test_trainings_that_could_not_run_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render(values)
