"""Databases in the chart: a PostgreSQL and a Redis of one's own, or small ones of the release's."""

from typing import Any

import helm_python as helm
import pytest
import yaml

from tests.contract.chart import (
    RELEASE,
    Object,
    container,
    environment,
    objects,
    of_kind,
    pod,
    render,
)

BUNDLED = {"postgresql": {"bundled": True}, "redis": {"bundled": True}}
EXTERNAL = {
    "gateway": {"database": {"secretName": "db", "secretKey": "address"}},
    "redis": {"external": {"secretName": "cache"}},
}
DATABASE, RATES = "ORFEON_GATEWAY_DATABASE_URL", "ORFEON_GATEWAY_RATE_LIMIT_STORAGE"


def references(found: Object) -> dict[str, tuple[str, str]]:
    """Secret and key of each variable that comes from one."""
    entries = (each for each in container(found)["env"] if "valueFrom" in each)
    refs = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in entries}
    return {name: (ref["name"], ref["key"]) for name, ref in refs.items()}


def gateway(values: dict[str, Any]) -> Object:
    return of_kind(values, "Deployment")["gateway"]


def test_databases_of_ones_own_are_named_by_secrets() -> None:
    found = references(gateway(EXTERNAL))
    assert found == {DATABASE: ("db", "address"), RATES: ("cache", "url")}
    # Nothing is kept in the pod, so two may be there while one replaces the other.
    assert "strategy" not in gateway(EXTERNAL)["spec"]
    assert "gateway" not in of_kind(EXTERNAL, "PersistentVolumeClaim")
    assert of_kind(EXTERNAL, "StatefulSet") == of_kind(EXTERNAL, "Secret") == {}


def test_without_any_there_is_sqlite_on_a_volume() -> None:
    assert references(gateway({})) == {}
    assert gateway({})["spec"]["strategy"] == {"type": "Recreate"}
    assert "gateway" in of_kind({}, "PersistentVolumeClaim")


def test_small_ones_are_found_by_the_secrets_that_they_are_made_with() -> None:
    secrets = of_kind(BUNDLED, "Secret")
    services = of_kind(BUNDLED, "Service")
    found = references(gateway(BUNDLED))
    for name, variable in (("postgresql", DATABASE), ("redis", RATES)):
        secret = secrets[name]["metadata"]["name"]
        assert found[variable] == (secret, "url")
        assert (secret, "password") in references(of_kind(BUNDLED, "StatefulSet")[name]).values()
        data = secrets[name]["stringData"]
        (port,) = (port["port"] for port in services[name]["spec"]["ports"])
        host = services[name]["metadata"]["name"]
        assert f":{data['password']}@{host}:{port}/" in data["url"]
    assert "gateway" not in of_kind(BUNDLED, "PersistentVolumeClaim")


def test_a_secret_of_ones_own_is_taken_instead() -> None:
    values = {"postgresql": {"bundled": True, "secretName": "mine"}}
    assert "postgresql" not in of_kind(values, "Secret")
    assert references(gateway(values))[DATABASE] == ("mine", "url")
    password = references(of_kind(values, "StatefulSet")["postgresql"])["POSTGRES_PASSWORD"]
    assert password == ("mine", "password")


@pytest.mark.parametrize("name", ["postgresql", "redis"])
def test_small_ones_keep_to_the_restricted_standard(name: str) -> None:
    found = of_kind(BUNDLED, "StatefulSet")[name]
    spec = pod(found)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 999
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert container(found)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_small_ones_are_the_last_to_go_from_a_full_cluster() -> None:
    values = {**BUNDLED, "priorityClasses": {"create": True}}
    expected = pod(gateway(values))["priorityClassName"]
    for found in of_kind(values, "StatefulSet").values():
        assert pod(found)["priorityClassName"] == expected


def test_what_outlives_the_release_is_whole() -> None:
    kept = {
        (each["kind"], each["metadata"]["labels"]["app.kubernetes.io/component"])
        for each in objects(BUNDLED)
        if each["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    # The volume knows no password but that of the secret.
    assert kept >= {("PersistentVolumeClaim", "postgresql"), ("Secret", "postgresql")}
    (data,) = (
        each
        for each in pod(of_kind(BUNDLED, "StatefulSet")["postgresql"])["volumes"]
        if each["name"] == "data"
    )
    claim = of_kind(BUNDLED, "PersistentVolumeClaim")["postgresql"]["metadata"]["name"]
    assert data["persistentVolumeClaim"]["claimName"] == claim


def test_what_a_statefulset_may_not_change_no_value_changes() -> None:
    more = {
        "postgresql": {"bundled": True, "size": "20Gi", "storageClass": "fast"},
        "redis": {"bundled": True, "image": {"tag": "8.2"}},
        "image": {"tag": "9"},
    }
    for name, before in of_kind(BUNDLED, "StatefulSet").items():
        after = of_kind(more, "StatefulSet")[name]
        for field in ("selector", "serviceName"):
            assert before["spec"][field] == after["spec"][field]
        for fixed in ("volumeClaimTemplates", "podManagementPolicy"):
            assert fixed not in before["spec"]


def test_the_tables_of_a_database_of_ones_own_are_changed_before_anything_else() -> None:
    values = {**EXTERNAL, "gateway": {**EXTERNAL["gateway"], "migrations": {"timeoutSeconds": 60}}}
    job = of_kind(values, "Job")["migrations"]
    annotations = job["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert job["spec"]["activeDeadlineSeconds"] == 60
    assert container(job)["command"] == ["python", "-m", "gateway.migrations", "upgrade"]
    assert container(job)["image"] == container(gateway(values))["image"]
    assert references(job) == {DATABASE: ("db", "address")}
    # Before the first install there is no account of the release's.
    assert "serviceAccountName" not in pod(job)
    assert environment(gateway(values))["ORFEON_GATEWAY_MIGRATE"] == "check"
    policy = of_kind(values, "NetworkPolicy")["migrations"]["metadata"]["annotations"]
    assert policy["helm.sh/hook"] == annotations["helm.sh/hook"]
    assert int(policy["helm.sh/hook-weight"]) < int(annotations["helm.sh/hook-weight"])


@pytest.mark.parametrize("values", [{}, BUNDLED], ids=["SQLite", "bundled"])
def test_a_gateway_changes_the_tables_of_any_other_itself(values: dict[str, Any]) -> None:
    # A hook before the release could not reach a database that the release brings.
    assert "migrations" not in of_kind(values, "Job")
    assert "ORFEON_GATEWAY_MIGRATE" not in environment(gateway(values))


def test_official_images_are_not_looked_for_in_the_registry_of_ours() -> None:
    image = {"digest": "sha256:" + "0" * 64, "registry": "mirror.example.com"}
    values = {
        "image": {"registry": "registry.example.com"},
        "postgresql": {"bundled": True, "image": image},
        "redis": {"bundled": True},
    }
    sets = of_kind(values, "StatefulSet")
    assert (
        container(sets["postgresql"])["image"] == f"mirror.example.com/postgres@{image['digest']}"
    )
    assert container(sets["redis"])["image"].startswith("docker.io/library/redis:")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"postgresql": {"bundled": True}, "gateway": {"database": {"secretName": "a"}}},
            "turn the first off, or empty the second",
        ),
        (
            {"redis": {"bundled": True, "external": {"secretName": "a"}}},
            "two places to count in",
        ),
        (
            {"postgresql": {"bundled": True}, "gateway": {"replicas": 2}},
            "name a database that does not fail in gateway.database.secretName",
        ),
        ({"gateway": {"replicas": 2}}, "needs gateway.database.secretName"),
    ],
)
def test_databases_that_cannot_be_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=told):
        render(values)


def test_no_password_is_the_same_twice_without_a_cluster() -> None:
    texts = [render(BUNDLED)["bundled-secrets.yaml"] for _ in range(2)]
    found = [[each["stringData"]["password"] for each in yaml.safe_load_all(t)] for t in texts]
    assert len({*found[0], *found[1]}) == 4
    assert RELEASE in texts[0]
