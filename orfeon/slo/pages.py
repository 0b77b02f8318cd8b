"""The pages that people read: the promises, and a runbook for each alert."""

from collections.abc import Iterator
from pathlib import Path
from string import Template

from orfeon.slo.alerts import alert_names
from orfeon.slo.dashboards import DASHBOARDS
from orfeon.slo.objectives import (
    BURNS,
    FEWEST_BAD,
    INDICATORS,
    LEVELS,
    OBJECTIVES,
    PERIOD_DAYS,
    Indicator,
    Objective,
)
from orfeon.slo.runbooks import RUNBOOKS, Runbook

_GENERATED = "<!-- Made by `python -m orfeon.slo --write`; edit orfeon/slo instead. -->"
#: The page of the promises, but for its tables.
_PROMISES = Path(__file__).with_name("promises.md")


def pages() -> dict[str, str]:
    """Every page, by its path in the repository."""
    found = {"docs/slo.md": _promises()}
    for name in alert_names():
        found[f"docs/runbooks/{name}.md"] = _runbook(name, RUNBOOKS[name])
    return found


def _promises() -> str:
    burns = (f"| {one.factor:g} | {one.long} | {one.short} | {one.severity} |" for one in BURNS)
    alerts = (
        f"| [{name}](runbooks/{name}.md) | {RUNBOOKS[name].title} |" for name in alert_names()
    )
    boards = (f"- **Orfeón / {each.title}**: {each.description}" for each in DASHBOARDS)
    return Template(_PROMISES.read_text("utf-8")).substitute(
        {indicator: _table(_cells(indicator)) for indicator in INDICATORS},
        generated=_GENERATED,
        days=PERIOD_DAYS,
        fewest=FEWEST_BAD,
        burns="\n".join(["| factor | long | short | |", "|---|---|---|---|", *burns]),
        alerts="\n".join(["| alert | when |", "|---|---|", *alerts]),
        dashboards="\n".join(boards),
    )


def _cells(indicator: Indicator) -> Iterator[tuple[str, dict[int, Objective]]]:
    rows: dict[str, dict[int, Objective]] = {}
    for each in OBJECTIVES:
        if each.indicator == indicator:
            same = each.operation in ("", each.capability)
            name = each.capability if same else f"{each.capability}: {each.operation}"
            rows.setdefault(name, {})[each.level] = each
    yield from rows.items()


def _table(rows: Iterator[tuple[str, dict[int, Objective]]]) -> str:
    lines = ["| of | level 0 | level 1 | level 2 |", "|---|---|---|---|"]
    for name, levels in rows:
        cells = " | ".join(_cell(levels.get(level)) for level in LEVELS)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _cell(objective: Objective | None) -> str:
    if objective is None:
        return "-"
    share = f"{100 * objective.ratio:g} %"
    return f"{share} in {objective.seconds:g} s" if objective.seconds else share


def _runbook(name: str, runbook: Runbook) -> str:
    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(runbook.steps, 1))
    return (
        f"# {name}: {runbook.title.lower()}\n\n{_GENERATED}\n\n{runbook.means}\n\n"
        f"**What users see:** {runbook.users}\n\n## What to do\n\n{steps}\n\n"
        "The promises and the windows are in [Promises](../slo.md).\n"
    )
