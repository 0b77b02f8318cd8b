"""What the chart gives Prometheus and Grafana."""

import json
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml

from orfeon.slo.__main__ import ROOT, differences, made, write
from orfeon.slo.dashboards import DASHBOARDS
from tests.contract.chart import objects, of_kind, render

ALL: dict[str, Any] = {
    "serviceMonitor": {"enabled": True, "labels": {"release": "kps"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "kps"}},
    "dashboards": {"enabled": True},
}


def found(values: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in objects(values) if each["kind"] == kind]


def boards(values: dict[str, Any], label: str = "grafana_dashboard") -> list[dict[str, Any]]:
    return [each for each in found(values, "ConfigMap") if label in each["metadata"]["labels"]]


def test_what_is_made_of_the_promises_is_up_to_date() -> None:
    assert differences(ROOT) == [], "run `python -m orfeon.slo --write`"


def test_what_differs_is_found_and_written(tmp_path: Path) -> None:
    assert differences(tmp_path) == sorted(made())
    assert write(tmp_path) == sorted(made())
    (tmp_path / "docs" / "slo.md").write_text("by hand")
    (tmp_path / "docs" / "runbooks" / "OrfeonOld.md").write_text("made no more")
    (tmp_path / "charts" / "orfeon" / "slo" / "rules.yaml").unlink()
    found = ["charts/orfeon/slo/rules.yaml", "docs/runbooks/OrfeonOld.md", "docs/slo.md"]
    assert differences(tmp_path) == found
    assert write(tmp_path) == found
    assert differences(tmp_path) == []


def test_nothing_of_it_is_there_unless_wanted() -> None:
    assert found({}, "PrometheusRule") == []
    assert [
        each for each in found({}, "ConfigMap") if "dashboard" in each["metadata"]["name"]
    ] == []


def test_the_rule_holds_the_groups_of_the_file_and_is_selected_by_its_labels() -> None:
    (rule,) = found(ALL, "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "kps"
    assert rule["spec"] == yaml.safe_load(made()["charts/orfeon/slo/rules.yaml"])


def test_a_rule_fits_into_what_a_cluster_stores() -> None:
    (rule,) = found(ALL, "PrometheusRule")
    # The operator puts rules into ConfigMaps, of half a megabyte at most.
    assert len(json.dumps(rule)) < 500_000


def test_runbooks_can_be_anywhere() -> None:
    base = "https://git.example.com/orfeon/blob/main/"
    (rule,) = found(
        ALL | {"prometheusRule": {"enabled": True, "runbookBaseUrl": base}}, "PrometheusRule"
    )
    links = [
        each["annotations"]["runbook_url"]
        for group in rule["spec"]["groups"]
        for each in group["rules"]
        if "alert" in each
    ]
    assert links
    for link in links:
        assert link.startswith(base)
        assert (ROOT / link.removeprefix(base)).is_file()


def test_each_dashboard_is_a_config_map_that_the_sidecar_finds() -> None:
    maps = boards(ALL)
    files = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    assert files == {f"orfeon-{board.name}.json": board.json() for board in DASHBOARDS}
    assert {each["metadata"]["labels"]["grafana_dashboard"] for each in maps} == {"1"}
    assert {each["metadata"]["annotations"]["grafana_folder"] for each in maps} == {"Orfeón"}
    assert all(len(json.dumps(each)) < 1_000_000 for each in maps)


def test_the_folder_can_be_left_to_the_sidecar() -> None:
    values = {"dashboards": {"enabled": True, "folder": "", "labels": {"board": "yes"}}}
    maps = boards(values, "board")
    assert len(maps) == len(DASHBOARDS)
    assert all("annotations" not in each["metadata"] for each in maps)


def test_every_component_is_scraped_where_its_service_has_metrics() -> None:
    values = ALL | {"gpu": {"profile": "shared"}, "triton": {"enabled": True}}
    services = of_kind(values, "Service")
    monitors = of_kind(values, "ServiceMonitor")
    with_metrics = {
        name
        for name, each in services.items()
        if name == "gateway" or any(port["name"] == "metrics" for port in each["spec"]["ports"])
    }
    assert set(monitors) == with_metrics
    for name, each in monitors.items():
        ports = {port["name"] for port in services[name]["spec"]["ports"]}
        assert {end["port"] for end in each["spec"]["endpoints"]} <= ports
        assert each["metadata"]["labels"]["release"] == "kps"
        wanted = each["spec"]["selector"]["matchLabels"]
        assert wanted.items() <= services[name]["metadata"]["labels"].items()


@pytest.mark.parametrize("component", ["gateway", "studio"])
def test_jobs_end_as_the_dashboards_expect(component: str) -> None:
    assert of_kind(ALL, "Service")[component]["metadata"]["name"].endswith(f"-{component}")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"slo": {"checkCustomResources": True}, "serviceMonitor": {"enabled": True}},
            "need the Prometheus operator",
        ),
        (
            {"slo": {"checkCustomResources": True}, "prometheusRule": {"enabled": True}},
            "need the Prometheus operator",
        ),
        (
            {"serviceMonitor": {"interval": "30s", "scrapeTimeout": "1m"}},
            "scrapeTimeout is longer than serviceMonitor.interval",
        ),
        (
            {"dashboards": {"enabled": True, "labels": {"grafana_dashboard": None}}},
            "labels is empty",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(helm.HelmRenderError, match=sentence):
        render(values)


@pytest.mark.parametrize(
    "values",
    [
        {"prometheusRule": {"enable": True}},
        {"prometheusRule": {"runbookBaseUrl": "ftp://x"}},
        {"dashboards": {"folderAnnotation": "not a name"}},
        {"slo": {"objectives": {}}},
    ],
)
def test_keys_and_values_that_mean_nothing_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmValuesError):
        render(values)
