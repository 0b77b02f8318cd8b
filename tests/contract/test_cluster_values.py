"""What `orfeon cluster check` knows of the chart is what the chart says."""

from typing import Any

import yaml

from orfeon.cluster import basics, edges, gpus
from tests.contract.chart import CHART

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))


def test_the_same_capabilities_use_gpus() -> None:
    using = {
        name
        for name, own in VALUES["capabilities"].items()
        if own.get("gpu", VALUES["capabilityDefaults"]["gpu"])["enabled"]
    }
    assert set(gpus.CAPABILITIES) == using
    assert set(gpus.ON_TRITON) == set(VALUES["triton"]["capabilities"])


def test_the_same_resources_are_the_defaults() -> None:
    of_chart = {profile: VALUES["gpu"][profile]["resource"] for profile in gpus.PROFILES}
    assert of_chart == gpus.RESOURCES


def test_the_same_version_is_the_oldest() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert ".".join(map(str, basics.OLDEST)) in chart["kubeVersion"]


def test_the_same_providers_are_known() -> None:
    assert set(edges.GROUPS) < {"none", "ingress", "traefik", "gatewayApi"}
    assert VALUES["edge"]["provider"] == "none"
