"""What reviewers of charts look for, in every flavour: images, resources, secrets, accounts."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.contract.chart import (
    CHART,
    EVERY_FLAVOUR,
    FLAVOURS,
    Object,
    objects,
    pod_templates,
    values_of,
)
from tests.contract.pod_security import containers

#: What starts pods that live on.
WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet")
STABLE = {f"app.kubernetes.io/{word}" for word in ("name", "instance", "component")}
#: Labels that change with a release of the chart.
VERSIONED = {"helm.sh/chart", "app.kubernetes.io/version"}
SECRET = re.compile(r"PASSWORD|PASSWD|TOKEN(?!S)|SECRET|API_?KEY|CREDENTIAL|DATABASE_URL", re.I)
#: Somebody's name and password in an address.
WITH_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
DIGEST = "sha256:" + "0123456789abcdef" * 4


def _workloads(flavour: str) -> list[Object]:
    return [each for each in objects(values_of(flavour)) if each["kind"] in WORKLOADS]


def _containers(flavour: str) -> Iterator[tuple[str, Object]]:
    for name, template in pod_templates(values_of(flavour)).items():
        for each in containers(template):
            yield f"{name}/{each['name']}", each


@EVERY_FLAVOUR
def test_selectors_hold_only_labels_that_never_change(flavour: str) -> None:
    for workload in _workloads(flavour):
        selector = workload["spec"]["selector"]["matchLabels"]
        assert set(selector) == STABLE
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
        # Those that change with a chart would restart every model server for nothing.
        assert not VERSIONED & set(labels)
    for service in (each for each in objects(values_of(flavour)) if each["kind"] == "Service"):
        assert set(service["spec"]["selector"]) == STABLE


def test_no_value_changes_a_field_that_cannot_be_changed() -> None:
    """So that every flavour can be upgraded to every other."""
    fixed: dict[tuple[str, str], Object] = {}
    for flavour in FLAVOURS:
        for each in _workloads(flavour):
            fields = ("selector", "serviceName", "podManagementPolicy")
            found = {name: each["spec"].get(name) for name in fields}
            if each["kind"] == "StatefulSet":
                found["claims"] = each["spec"].get("volumeClaimTemplates")
            name = (each["kind"], each["metadata"]["name"])
            assert fixed.setdefault(name, found) == found


@EVERY_FLAVOUR
def test_everything_says_whose_it_is(flavour: str) -> None:
    for each in objects(values_of(flavour)):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/part-of"] == "orfeon"
        assert STABLE - {"app.kubernetes.io/component"} <= set(labels)
        assert set(labels) >= VERSIONED


@EVERY_FLAVOUR
def test_images_have_a_tag_that_stays_or_a_digest(flavour: str) -> None:
    for name, each in _containers(flavour):
        image = each["image"]
        assert re.search(r"(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9._-]*)$", image), name
        assert not image.endswith(":latest"), name


def _with_digests(values: Any) -> None:
    """Gives every image in the values a digest."""
    for below in values.values():
        if isinstance(below, dict):
            if "digest" in below and "repository" in below:
                below["digest"] = DIGEST
            _with_digests(below)


@EVERY_FLAVOUR
def test_whoever_gives_digests_gets_nothing_else(flavour: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    own = copy.deepcopy(values_of(flavour))
    _with_digests(values)
    for name in values["capabilities"]:
        values["capabilities"][name] = {"image": {"digest": DIGEST}}
    for template in pod_templates(_merged(values, own)).values():
        for each in containers(template):
            assert re.search(r"@sha256:[0-9a-f]{64}$", each["image"]), each["image"]


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    shared = {name: _merged(below[name], above[name]) for name in below.keys() & above.keys()}
    return {**below, **above, **shared}


@EVERY_FLAVOUR
def test_every_container_says_what_it_needs(flavour: str) -> None:
    for name, each in _containers(flavour):
        resources = each["resources"]
        # What has a limit alone asks for as much.
        asked = {**resources.get("limits", {}), **resources.get("requests", {})}
        assert {"cpu", "memory"} <= set(asked), name


@EVERY_FLAVOUR
def test_environment_is_strings_and_each_name_is_there_once(flavour: str) -> None:
    for name, each in _containers(flavour):
        names = [entry["name"] for entry in each.get("env", [])]
        assert len(names) == len(set(names)), name
        for entry in each.get("env", []):
            assert isinstance(entry.get("value", ""), str), (name, entry["name"])


@EVERY_FLAVOUR
def test_no_secret_is_written_out(flavour: str) -> None:
    for name, each in _containers(flavour):
        for entry in each.get("env", []):
            if "value" in entry:
                assert not SECRET.search(entry["name"]), (name, entry["name"])
            assert not WITH_PASSWORD.search(entry.get("value", "")), (name, entry["name"])
        said = " ".join([*each.get("command", []), *each.get("args", [])])
        assert not WITH_PASSWORD.search(said), name
    for each in objects(values_of(flavour)):
        if each["kind"] == "ConfigMap":
            assert not WITH_PASSWORD.search(str(each.get("data")))


@EVERY_FLAVOUR
def test_a_token_is_mounted_by_those_alone_whose_account_may_do_something(flavour: str) -> None:
    found = objects(values_of(flavour))
    bound = {
        subject["name"]
        for each in found
        if each["kind"] in ("RoleBinding", "ClusterRoleBinding")
        for subject in each["subjects"]
    }
    for name, template in pod_templates(values_of(flavour)).items():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is (spec.get("serviceAccountName") in bound), (
            name
        )
    for account in (each for each in found if each["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@EVERY_FLAVOUR
def test_whoever_scales_a_workload_says_alone_how_often_it_is_there(flavour: str) -> None:
    found = objects(values_of(flavour))
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in found
        if each["kind"] in ("HorizontalPodAutoscaler", "ScaledObject")
    }
    for each in found:
        if each["kind"] in ("Deployment", "StatefulSet"):
            assert ("replicas" in each["spec"]) is (each["metadata"]["name"] not in scaled)


@pytest.mark.parametrize("template", sorted(CHART.glob("templates/**/*.*")), ids=lambda p: p.name)
def test_no_template_is_longer_than_one_reads_at_once(template: Any) -> None:
    assert len(template.read_text("utf-8").splitlines()) <= 80
