"""Panels and dashboards of Grafana, as the JSON that it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

#: Of Grafana 11 and 12; later ones read it too.
SCHEMA_VERSION = 39
WIDTH = 24
_HEIGHT = 8

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Unit = Literal["s", "bytes", "percentunit", "reqps", "short", "celsius", "watt", "Bps", "none"]
Kind = Literal["timeseries", "stat", "bargauge"]


@dataclass(frozen=True, slots=True)
class Query:
    """A query and what its series are called; `instant` asks for one value alone."""

    expression: str
    legend: str = "__auto"
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `width` in columns of 24."""

    title: str
    description: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    width: int = 12
    lowest: float | None = 0
    worse_below: tuple[float, float] | None = None
    """Below the first it is red, below the second yellow."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top, from the values of a label; with `several`, any number of them."""

    name: str
    metric: str
    several: bool = True


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard. Its file and its uid follow from `name`."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()

    @property
    def panels(self) -> list[Panel]:
        """All panels, in order."""
        return [panel for row in self.rows for panel in row.panels]

    def json(self) -> dict[str, Any]:
        """The dashboard as Grafana reads it."""
        return {
            "uid": f"orfeon-{self.name}",
            "title": f"Orfeón / {self.title}",
            "description": self.description,
            "tags": ["orfeon"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "links": [_LINK],
            "templating": {"list": [_DATASOURCE, *map(_variable, self.variables)]},
            "panels": _laid_out(self.rows),
        }


_LINK = {
    "type": "dashboards",
    "title": "Orfeón",
    "tags": ["orfeon"],
    "asDropdown": True,
    "includeVars": True,
    "keepTime": True,
}
_DATASOURCE = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
}


def _variable(variable: Variable) -> dict[str, Any]:
    asked = f"label_values({variable.metric}, {variable.name})"
    every: dict[str, Any] = {}
    if variable.several:
        every = {"multi": True, "includeAll": True, "allValue": ".*"}
        every["current"] = {"text": "All", "value": "$__all"}
    return {
        "name": variable.name,
        "label": variable.name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "definition": asked,
        "query": {"query": asked, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        **every,
    }


def _laid_out(rows: Sequence[Row]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    y = 0
    for row in rows:
        found.append(
            {
                "id": len(found) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
                "panels": [],
            }
        )
        x, y = 0, y + 1
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y = 0, y + _HEIGHT
            place = {"x": x, "y": y, "w": panel.width, "h": _HEIGHT}
            found.append(_panel(panel, len(found) + 1, place))
            x += panel.width
        y += _HEIGHT
    return found


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit}
    if panel.lowest is not None:
        defaults["min"] = panel.lowest
    if panel.worse_below is not None:
        red, yellow = panel.worse_below
        defaults["thresholds"] = {
            "mode": "absolute",
            "steps": [
                {"color": "red", "value": None},
                {"color": "yellow", "value": red},
                {"color": "green", "value": yellow},
            ],
        }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _OPTIONS[panel.kind],
        "targets": [_target(query, index) for index, query in enumerate(panel.queries)],
    }


_OPTIONS: dict[Kind, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "value_and_name"},
    "bargauge": {
        "reduceOptions": {"calcs": ["lastNotNull"]},
        "orientation": "horizontal",
        "displayMode": "basic",
    },
}


def _target(query: Query, index: int) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + index),
        "datasource": _SOURCE,
        "expr": query.expression,
        "legendFormat": query.legend,
        "instant": query.instant,
        "range": not query.instant,
    }
