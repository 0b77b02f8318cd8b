"""Releases live side by side, whatever their names, and the chart names their namespace once."""

import re
from collections.abc import Iterator
from pathlib import Path

import helm_python as helm
import pytest
import yaml

from tests.contract.chart import CHART, EVERY_FLAVOUR, FLAVOURS, NAMESPACE, Object, values_of

CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding", "PriorityClass")
#: As long as Helm allows.
LONGEST = "a-release-" * 5 + "abc"


def release(flavour: str, name: str, namespace: str = NAMESPACE) -> list[Object]:
    """The objects of a flavour under another name."""
    with helm.Chart.load(CHART) as chart:
        texts = chart.render(values_of(flavour), name=name, namespace=namespace)
    return [
        found
        for path, text in texts.items()
        if path.endswith(".yaml")
        for found in yaml.load_all(text, yaml.CSafeLoader)
        if found
    ]


def _names(found: list[Object]) -> set[tuple[str, str]]:
    return {(each["kind"], each["metadata"]["name"]) for each in found}


def _selectors(found: list[Object]) -> Iterator[dict[str, str]]:
    for each in found:
        spec = each.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector", {}))
        if selector:
            yield selector.get("matchLabels", selector)


@EVERY_FLAVOUR
def test_two_releases_in_a_namespace_share_nothing(flavour: str) -> None:
    one, other = release(flavour, "prod"), release(flavour, "test")
    assert not _names(one) & _names(other)
    for selector in (*_selectors(one), *_selectors(other)):
        assert "app.kubernetes.io/instance" in selector


@EVERY_FLAVOUR
def test_two_releases_of_one_name_in_two_namespaces_share_nothing_of_the_cluster(
    flavour: str,
) -> None:
    one, other = (
        {name for name in _names(release(flavour, "prod", space)) if name[0] in CLUSTER_WIDE}
        for space in ("here", "there")
    )
    assert not one & other


@pytest.mark.parametrize(
    "flavour", [name for name in sorted(FLAVOURS) if "gpu" in name or name == "ha"]
)
def test_the_longest_names_fit_and_do_not_collide(flavour: str) -> None:
    assert len(LONGEST) == 53
    one, other = release(flavour, LONGEST), release(flavour, LONGEST[:-1] + "x")
    names = _names(one)
    assert len(names) == len(one)
    for _, name in names:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
    assert not names & _names(other)


def test_the_namespace_is_named_in_one_helper_only() -> None:
    naming = [
        path.name
        for path in sorted(CHART.glob("templates/**/*.*"))
        if ".Release.Namespace" in path.read_text("utf-8")
    ]
    assert [Path(name).suffix for name in naming] == [".tpl"]


@EVERY_FLAVOUR
def test_no_object_says_what_helm_says(flavour: str) -> None:
    for each in release(flavour, "prod"):
        assert "namespace" not in each["metadata"]


@pytest.mark.parametrize("name", ["1st", "my.release"])
def test_a_name_that_no_service_can_have_is_refused(name: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=f"Objects of the release {name} would be"):
        release("cpu", name)
