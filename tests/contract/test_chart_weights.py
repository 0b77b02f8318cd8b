"""Where weights come from that the images do not hold: one volume, filled in one of four ways."""

import json
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest

from tests.contract.chart import CHART, Object, container, environment, of_kind, pod, render

#: What loads models.
LOADING = {"chat", "emotion", "images", "lyrics", "melody", "speech", "triton"}
BIG = {
    "name": "us/big",
    "capability": "chat",
    "engine": "llama-cpp",
    "tasks": ["chat"],
    "owned_by": "us",
    "licence": "MIT",
    "memory_bytes": 7_000_000_000,
    "files": {"model.gguf": {"sources": [{"url": "https://example.com/big.gguf"}]}},
}
FETCHED = {"definitions": {"us--big": BIG}}
OTHER = {"definitions": {"us--big": BIG | {"memory_bytes": 8_000_000_000}}}
HUB = {"endpoint": "https://hub.example.com", "tokenSecretName": "hub", "tokenSecretKey": "t"}
MOUNT = "/var/lib/orfeon-weights"


def weights(source: str, **more: Any) -> dict[str, Any]:
    return {"models": {"source": source, **more}, "triton": {"enabled": True}}


def loading(values: dict[str, Any]) -> dict[str, Object]:
    found = of_kind(values, "Deployment")
    return {name: found[name] for name in LOADING}


def volume(deployment: Object) -> Object:
    (found,) = (each for each in pod(deployment)["volumes"] if each["name"] == "weights")
    return {key: value for key, value in found.items() if key != "name"}


SOURCES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "claim": (
        {"claim": {"existingClaim": "mine"}},
        {"persistentVolumeClaim": {"claimName": "mine", "readOnly": True}},
    ),
    "job": (
        FETCHED,
        {"persistentVolumeClaim": {"claimName": "prod-orfeon-weights", "readOnly": True}},
    ),
    "init": (FETCHED, {"emptyDir": {"sizeLimit": "50Gi"}}),
    "image": (
        {"image": {"reference": "example.com/weights@sha256:12", "featureGate": True}},
        {"image": {"reference": "example.com/weights@sha256:12", "pullPolicy": "IfNotPresent"}},
    ),
}


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_what_loads_models_reads_them_from_one_volume(source: str) -> None:
    told, kind = SOURCES[source]
    values = weights(source, **told)
    for deployment in loading(values).values():
        assert volume(deployment) == kind
        mount = {"name": "weights", "mountPath": MOUNT, "readOnly": True}
        assert mount in container(deployment)["volumeMounts"]
        assert environment(deployment)["ORFEON_SHARED_MODELS"] == f"{MOUNT}/models"
        kubernetes_validate.validate(deployment, "1.34", strict=True)
    for name in ("gateway", "song"):
        other = of_kind(values, "Deployment")[name]
        assert "weights" not in {each["name"] for each in pod(other)["volumes"]}
        assert "initContainers" not in pod(other)


def test_by_default_images_hold_all_that_is_needed() -> None:
    for deployment in loading(weights("package")).values():
        assert "weights" not in {each["name"] for each in pod(deployment)["volumes"]}
        assert "ORFEON_SHARED_MODELS" not in environment(deployment)
        assert "initContainers" not in pod(deployment)
    assert of_kind(weights("package"), "Job") == {}
    assert set(of_kind(weights("package"), "PersistentVolumeClaim")) == {"gateway"}


def test_a_job_fetches_and_pods_wait_for_it() -> None:
    values = weights("job", **FETCHED, hub=HUB)
    (job,) = of_kind(values, "Job").values()
    spec = job["spec"]["template"]["spec"]
    (fetching,) = spec["containers"]
    *_, mark = fetching["args"]
    assert "orfeon models pull --from" in fetching["args"][0]
    assert spec["automountServiceAccountToken"] is False
    home = next(each for each in spec["volumes"] if each["name"] == "weights")
    assert home["persistentVolumeClaim"] == {"claimName": "prod-orfeon-weights"}
    for deployment in loading(values).values():
        (waiting,) = pod(deployment)["initContainers"]
        assert waiting["args"][-1] == mark
        assert waiting["image"] == container(deployment)["image"]
    assert {each["name"]: each.get("value") for each in fetching["env"]} == {
        "ORFEON_HOME": MOUNT,
        "HF_HOME": "/tmp/huggingface",
        "HF_ENDPOINT": HUB["endpoint"],
        "HF_TOKEN": None,
    }
    (token,) = (each for each in fetching["env"] if each["name"] == "HF_TOKEN")
    assert token["valueFrom"] == {"secretKeyRef": {"name": "hub", "key": "t"}}


def test_definitions_are_written_so_that_every_reader_understands_them() -> None:
    data = of_kind(weights("job", **FETCHED), "ConfigMap")["weights"]["data"]
    assert {name: json.loads(text) for name, text in data.items()} == {"us--big.yaml": BIG}


def test_another_job_has_another_name_since_none_can_be_changed() -> None:
    def name(**more: Any) -> str:
        (job,) = of_kind(weights("job", **FETCHED, **more), "Job").values()
        return str(job["metadata"]["name"])

    assert name() == name()
    assert name() != name(hub={"endpoint": "https://hub.example.com"})
    (job,) = of_kind(weights("job", **OTHER), "Job").values()
    assert job["metadata"]["name"] != name()


def test_only_pods_that_fetch_for_themselves_are_replaced_for_other_models() -> None:
    """One with a GPU goes before its successor comes, which would wait until all is fetched."""
    for source, replaced in (("job", False), ("init", True)):
        one, other = (loading(weights(source, **told))["chat"] for told in (FETCHED, OTHER))
        assert (one["spec"]["template"] != other["spec"]["template"]) is replaced


def test_a_claim_of_ones_own_is_filled_and_none_is_made() -> None:
    mine = weights("job", **FETCHED, claim={"existingClaim": "mine"})
    claims = of_kind(mine, "PersistentVolumeClaim")
    assert set(claims) == {"gateway"}
    made = of_kind(weights("job", **FETCHED), "PersistentVolumeClaim")["weights"]
    assert made["spec"]["accessModes"] == ["ReadWriteMany"]
    assert made["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_each_pod_may_fetch_for_itself() -> None:
    values = weights("init", **FETCHED)
    assert of_kind(values, "Job") == {}
    for deployment in loading(values).values():
        (fetching,) = pod(deployment)["initContainers"]
        assert "orfeon models pull --from" in fetching["args"][0]
        mounted = {each["name"] for each in fetching["volumeMounts"]}
        assert mounted <= {each["name"] for each in pod(deployment)["volumes"]}


def test_without_a_network_nobody_looks_for_a_hub() -> None:
    values = weights("claim", offline=True, claim={"existingClaim": "mine"})
    for deployment in loading(values).values():
        assert environment(deployment)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(loading(weights("package"))["chat"])


CLAIM, IMAGE = {"claim": {"existingClaim": "mine"}}, {"image": {"reference": "example.com/w"}}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (weights("job", **FETCHED, offline=True), "Set models.source to package, claim or image"),
        (weights("init"), "models.definitions names, which is empty"),
        (weights("package", **FETCHED), "set one of the two, or empty them"),
        (weights("job", definitions={"big": BIG}), "is called us/big in it"),
        (weights("claim"), "needs models.claim.existingClaim"),
        (weights("init", **FETCHED, **CLAIM), "models.claim.existingClaim is for"),
        (weights("claim", **CLAIM, hub=HUB), "claim asks no hub: empty it"),
        (weights("image"), "needs models.image.reference"),
        (weights("claim", **CLAIM, **IMAGE), "models.image.reference is for"),
    ],
)
def test_weights_that_nobody_could_bring_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render(values)


@pytest.mark.parametrize(
    ("version", "gate", "told"),
    [
        ("v1.32.0", True, "needs Kubernetes 1.33"),
        ("v1.33.0", False, "needs the feature gate ImageVolume"),
        ("v1.33.0", True, None),
        ("v1.35.0", False, None),
    ],
)
def test_an_image_is_mounted_where_kubernetes_can(
    version: str, gate: bool, told: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    image = {"reference": "example.com/w", "featureGate": gate}
    helm.lint(CHART, weights("image", image=image), kube_version=version)
    said = capfd.readouterr().err
    assert told in said if told else "needs" not in said
