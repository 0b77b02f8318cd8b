"""Every flavour lints clean and is what three versions of Kubernetes and its extensions accept."""

import functools
import json
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource

from tests.contract.chart import CHART, EVERY_FLAVOUR, Object, objects, values_of

#: The oldest that the chart takes, and the two newest there are.
VERSIONS = ("1.30", "1.36", "1.37")
EXTENSIONS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "schemas" / "crds.json").read_text("utf-8")
)
#: What comes with kubernetes-validate, whose own function reads a megabyte for each object.
KUBERNETES = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"


@functools.cache
def _definitions(version: str) -> Registry[Any]:
    text = (KUBERNETES / f"v{version}.0-local-strict" / "_definitions.json").read_text("utf-8")
    return Resource.from_contents(json.loads(text)) @ Registry()


@functools.cache
def _validator(kind: str, version: str) -> Draft7Validator | Draft202012Validator:
    """Of `group/version/Kind` in that version of Kubernetes, unknown fields refused."""
    if kind in EXTENSIONS:
        return Draft7Validator(EXTENSIONS[kind])
    *group, number, name = kind.split("/")
    word = "-".join([name.lower(), *(each.partition(".")[0] for each in group), number])
    text = (KUBERNETES / f"v{version}.0-local-strict" / f"{word}.json").read_text("utf-8")
    # Those that the file names by its own address are in the definitions.
    return Draft202012Validator(json.loads(text), registry=_definitions(version))


def resource(found: Object) -> str:
    """The group, version and kind of an object."""
    return f"{found['apiVersion']}/{found['kind']}"


def validate(found: Object, version: str) -> None:
    """Raises for what a cluster of this version would refuse."""
    _validator(resource(found), version).validate(found)


@EVERY_FLAVOUR
def test_chart_lints_without_a_warning(flavour: str) -> None:
    report = helm.lint(CHART, values_of(flavour), strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@pytest.mark.parametrize("version", VERSIONS)
@EVERY_FLAVOUR
def test_every_object_is_what_a_cluster_accepts(flavour: str, version: str) -> None:
    for found in objects(values_of(flavour)):
        validate(found, version)


def test_the_versions_are_the_oldest_and_the_newest() -> None:
    known = {path.name.split("-")[0] for path in KUBERNETES.iterdir()}
    numbers = sorted(int(name.split(".")[1]) for name in known)
    assert VERSIONS[1:] == tuple(f"1.{number}" for number in numbers[-2:])
    metadata = (CHART / "Chart.yaml").read_text("utf-8")
    assert f'kubeVersion: ">={VERSIONS[0]}.0-0"' in metadata


def test_every_custom_resource_that_a_template_makes_has_a_schema_and_a_flavour() -> None:
    made = {
        resource(found)
        for path in CHART.glob("ci/*-values.yaml")
        for found in objects(values_of(path.name.removesuffix("-values.yaml")))
    }
    texts = [path.read_text("utf-8") for path in CHART.glob("templates/**/*.yaml")]
    for kind in EXTENSIONS:
        group, _, name = kind.rpartition("/")
        there = any(f"apiVersion: {group}\nkind: {name}\n" in text for text in texts)
        assert (kind in made) is there, kind


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("traefik.io/v1alpha1/Middleware", {"rateLimit": {"average": 1, "bursts": 2}}),
        ("traefik.io/v1alpha1/IngressRoute", {"routes": [{"match": "Host(`a`)", "services": 1}]}),
        ("cert-manager.io/v1/Certificate", {"secretName": "a"}),
        ("keda.sh/v1alpha1/ScaledObject", {"triggers": []}),
        ("monitoring.coreos.com/v1/PrometheusRule", {"groups": [{"rules": []}]}),
        ("gateway.networking.k8s.io/v1/HTTPRoute", {"rules": [{"backends": []}]}),
    ],
)
def test_what_an_extension_does_not_know_is_refused(kind: str, spec: dict[str, Any]) -> None:
    version, _, name = kind.rpartition("/")
    found = {"apiVersion": version, "kind": name, "metadata": {"name": "a"}, "spec": spec}
    with pytest.raises(ValidationError):
        validate(found, VERSIONS[0])


def test_what_kubernetes_does_not_know_is_refused() -> None:
    found = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"port": 1}}
    for version in VERSIONS:
        with pytest.raises(ValidationError):
            validate(found, version)
