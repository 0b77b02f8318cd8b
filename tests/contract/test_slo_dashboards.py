"""What makes a dashboard one that can be read anywhere: a linter of ours, and its own tests."""

import json
import re
from typing import Any

import pytest

from orfeon.slo.alerts import alert_names
from orfeon.slo.dashboards import DASHBOARDS
from tests.contract.chart import CHART, ROOT
from tests.contract.promtool import RULES

FILES = sorted((CHART / "slo" / "dashboards").glob("*.json"))
EACH = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)

Board = dict[str, Any]

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_RANGE = re.compile(r"\[([^\]]+)\]")
_COUNTER = re.compile(r"\b[a-zA-Z_:]+_(?:total|bucket|sum|count)\b(?:\{[^}]*\})?(\[)?")
_COUNTERS_OF_TRITON = re.compile(
    r"\bnv_(?:inference_(?:request_(?:success|failure)|count|exec_count|\w+_us)|cache_num_\w+)\b"
    r"(?:\{[^}]*\})?(\[)?"
)
#: Gauges of Triton that are called like counters.
_GAUGES = {
    "nv_cpu_memory_total_bytes",
    "nv_gpu_memory_total_bytes",
    "nv_inference_pending_request_count",
}
_LIFETIME = re.compile(r"_sum(?:\{[^}]*\})?\s*/\s*\w+_count")


def panels(board: Board) -> list[Board]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def faults(board: Board) -> list[str]:
    """What is wrong with a dashboard."""
    variables = board["templating"]["list"]
    found = [
        f"{len(sources)} variables of a data source"
        for sources in [[each for each in variables if each["type"] == "datasource"]]
        if len(sources) != 1
    ]
    found += [
        f"{name} twice"
        for name, numbers in (("an id", [each["id"] for each in board["panels"]]),)
        if len(numbers) != len(set(numbers))
    ]
    titles = [panel["title"] for panel in panels(board)]
    found += [f"{title}: twice" for title in sorted(set(titles)) if titles.count(title) > 1]
    for panel in panels(board):
        found += [f"{panel['title']}: {fault}" for fault in _of_panel(panel)]
    return found + _overlaps(board)


def _of_panel(panel: Board) -> list[str]:
    found = [f"no {key}" for key in ("title", "description") if not panel.get(key)]
    if not panel["fieldConfig"]["defaults"].get("unit"):
        found.append("no unit")
    if panel["datasource"] != _SOURCE:
        found.append("a data source of its own")
    if not panel["targets"]:
        found.append("no query")
    for target in panel["targets"]:
        found += _of_query(target["expr"])
        if not target["legendFormat"]:
            found.append("no legend")
    return found


def _of_query(expression: str) -> list[str]:
    found = []
    for interval in _RANGE.findall(expression):
        # A day is what the business is told by.
        if interval not in ("$__rate_interval", "1d"):
            found.append(f"{interval} instead of $__rate_interval")
    for pattern in (_COUNTER, _COUNTERS_OF_TRITON):
        for match in pattern.finditer(expression):
            name = match[0].partition("{")[0].rstrip("[")
            if match[1] is None and name not in _GAUGES:
                found.append(f"{name} without a rate")
    if _LIFETIME.search(expression):
        found.append("an average since the beginning of time")
    if "orfeon_" in expression and 'namespace=~"$namespace"' not in expression:
        found.append("not of the namespaces that are chosen")
    return found


def _overlaps(board: Board) -> list[str]:
    taken: dict[tuple[int, int], str] = {}
    found = []
    for panel in board["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if x >= 24 or (x, y) in taken:
                    found.append(f"{panel['title']} lies on {taken.get((x, y), 'the edge')}")
                taken[x, y] = panel["title"]
    return sorted(set(found))


def board_of(query: str = "up", **panel: Any) -> Board:
    """A dashboard with one panel, good but for what is said."""
    good = {
        "id": 1,
        "type": "timeseries",
        "title": "One",
        "description": "One.",
        "datasource": _SOURCE,
        "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": "s"}},
        "targets": [{"expr": query, "legendFormat": "x"}],
    }
    return {"templating": {"list": [{"type": "datasource"}]}, "panels": [{**good, **panel}]}


@EACH
def test_the_linter_finds_nothing(file: Any) -> None:
    assert faults(json.loads(file.read_text("utf-8"))) == []


def test_every_dashboard_has_a_file_and_a_name_of_its_own() -> None:
    assert {file.stem for file in FILES} == {board.name for board in DASHBOARDS}
    found = [json.loads(file.read_text("utf-8")) for file in FILES]
    for key in ("uid", "title"):
        assert len({board[key] for board in found}) == len(found)
    # Grafana refuses longer ones.
    assert all(len(board["uid"]) <= 40 for board in found)


def test_a_good_dashboard_has_no_fault() -> None:
    query = 'sum (rate(orfeon_x_total{namespace=~"$namespace"}[$__rate_interval]))'
    assert faults(board_of(query)) == []


@pytest.mark.parametrize(
    ("board", "fault"),
    [
        (board_of("sum (traefik_x_total)"), "without a rate"),
        (board_of("nv_inference_request_success"), "without a rate"),
        (board_of("rate(x_sum[5m]) / rate(x_count[5m])"), "5m instead of"),
        (board_of("x_sum / x_count"), "since the beginning of time"),
        (board_of("orfeon_queue_requests"), "not of the namespaces"),
        (board_of(description=""), "no description"),
        (board_of(fieldConfig={"defaults": {}}), "no unit"),
        (board_of(targets=[]), "no query"),
        (board_of(datasource={"type": "prometheus", "uid": "abc"}), "a data source of its own"),
        (board_of(gridPos={"x": 20, "y": 0, "w": 12, "h": 8}), "lies on the edge"),
        (board_of() | {"templating": {"list": []}}, "0 variables of a data source"),
        (board_of() | {"panels": board_of()["panels"] * 2}, "twice"),
    ],
)
def test_the_linter_finds_each_fault(board: Board, fault: str) -> None:
    assert any(fault in each for each in faults(board))


def test_every_alert_leads_to_a_page() -> None:
    text = RULES.read_text("utf-8")
    links = set(re.findall(r"runbook_url: (\S+)", text))
    assert links == {f"docs/runbooks/{name}.md" for name in alert_names()}
    assert text.count("runbook_url") == text.count("- alert:")
    assert all((ROOT / link).is_file() for link in links)


def test_runbooks_name_panels_and_dashboards_that_there_are() -> None:
    titles = {f"Orfeón / {board.title}" for board in DASHBOARDS}
    titles |= {panel.title for board in DASHBOARDS for panel in board.panels}
    # Of Prometheus itself.
    titles |= {"Targets"}
    for name in alert_names():
        text = (ROOT / "docs" / "runbooks" / f"{name}.md").read_text("utf-8").replace("**", "")
        assert set(re.findall(r"\*([^*\n]+)\*", text)) <= titles, name
