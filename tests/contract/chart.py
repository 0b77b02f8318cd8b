"""Renders charts/orfeon through the Helm SDK, without a cluster."""

import functools
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "charts" / "orfeon"
FLAVOURS = {path.name.removesuffix("-values.yaml"): path for path in CHART.glob("ci/*-values.yaml")}
EVERY_FLAVOUR = pytest.mark.parametrize("flavour", sorted(FLAVOURS))
CAPABILITIES = ("chat", "emotion", "images", "lyrics", "melody", "song", "speech", "training")
#: Values with which all of them are on.
ALL_ON = {
    "capabilities": {
        "training": {"enabled": True, "volume": {"existingClaim": "shared"}},
        "emotion": {"volume": {"existingClaim": "shared"}},
    }
}
RELEASE, NAMESPACE = "prod", "ai"

Object = dict[str, Any]


def values_of(flavour: str) -> dict[str, Any]:
    """The values of `ci/<flavour>-values.yaml`."""
    values: dict[str, Any] = yaml.safe_load(FLAVOURS[flavour].read_text("utf-8"))
    return values


def render(values: Mapping[str, Any]) -> dict[str, str]:
    """Every rendered template by its path below the chart. Raises what Helm raises."""
    with helm.Chart.load(CHART) as chart:
        # As `helm install` does before it renders anything.
        chart.validate_schema(chart.merge_values(dict(values)))
        texts = chart.render(dict(values), name=RELEASE, namespace=NAMESPACE)
    return {name.removeprefix("orfeon/templates/"): text for name, text in texts.items()}


def objects(values: Mapping[str, Any]) -> list[Object]:
    """Every rendered object."""
    return list(_objects(json.dumps(values)))


@functools.cache
def _objects(values: str) -> tuple[Object, ...]:
    texts = render(json.loads(values))
    return tuple(
        document
        for name, text in texts.items()
        if name.endswith(".yaml")
        for document in yaml.load_all(text, yaml.CSafeLoader)
        if document
    )


def pod_templates(values: Mapping[str, Any]) -> dict[str, Object]:
    """The template of every pod that a release starts, tests and hooks too, by `Kind/name`."""
    found = {}
    for each in objects(values):
        if each["kind"] == "Pod":
            template = each
        elif each["kind"] == "CronJob":
            template = each["spec"]["jobTemplate"]["spec"]["template"]
        elif (
            "template" in each.get("spec", {}) and "containers" in each["spec"]["template"]["spec"]
        ):
            template = each["spec"]["template"]
        else:
            continue
        found[f"{each['kind']}/{each['metadata']['name']}"] = template
    return found


def of_kind(values: Mapping[str, Any], kind: str) -> dict[str, Object]:
    """The rendered objects of one kind, by their component."""
    component = "app.kubernetes.io/component"
    return {
        found["metadata"]["labels"].get(component, ""): found
        for found in objects(values)
        if found["kind"] == kind
    }


def pod(deployment: Object) -> Object:
    """The pod that a Deployment starts."""
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def container(deployment: Object) -> Object:
    """The only container of a Deployment's pod."""
    (only,) = pod(deployment)["containers"]
    found: Object = only
    return found


def environment(deployment: Object) -> dict[str, str]:
    """The environment that is given by value."""
    return {
        entry["name"]: entry["value"] for entry in container(deployment)["env"] if "value" in entry
    }


def settings_of(module: str) -> type[BaseSettings]:
    """The settings class that a container reads: the one of the module that is most derived."""
    found = [
        each
        for each in vars(importlib.import_module(module)).values()
        if isinstance(each, type) and issubclass(each, BaseSettings) and each.__module__ == module
    ]
    (only,) = found
    return only


def variables_of(settings: type[BaseSettings]) -> set[str]:
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
