"""Debian's promtool, and the tests of rules that it runs."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from orfeon.slo.objectives import INDICATORS
from tests.contract.chart import CHART

RULES = CHART / "slo" / "rules.yaml"

Case = dict[str, Any]


def promtool() -> str:
    """The program. Fails where it is not there."""
    found = shutil.which("promtool")
    if found is None:
        pytest.fail("promtool is not installed: apt-get install prometheus")
    return found


def series(**counters: str) -> list[dict[str, str]]:
    """Input series: `{'metric{label="x"}': '0+1x10'}`."""
    return [{"series": name, "values": values} for name, values in counters.items()]


def case(
    name: str,
    inputs: Mapping[str, str],
    values: Sequence[tuple[str, str, Mapping[str, float]]] = (),
    alerts: Sequence[Case] = (),
    interval: str = "1m",
) -> Case:
    """One case: `values` are expressions, when they are asked, and what each series of them is."""
    return {
        "name": name,
        "interval": interval,
        "input_series": series(**inputs),
        "promql_expr_test": [
            {
                "expr": expression,
                "eval_time": moment,
                "exp_samples": [
                    {"labels": labels, "value": value} for labels, value in samples.items()
                ],
            }
            for expression, moment, samples in values
        ],
        "alert_rule_test": list(alerts),
    }


def _about(rules: Mapping[str, Any], capability: str, indicator: str) -> dict[str, Any]:
    """The rules without those of other promises."""
    others = [f'{{indicator="{each}"' for each in INDICATORS if each != indicator]

    def wanted(rule: Mapping[str, Any]) -> bool:
        name = rule.get("labels", {}).get("slo", "")
        if name:
            return bool(name.startswith(f"{capability}-{indicator}-"))
        return not any(each in rule["expr"] for each in others)

    return {
        "groups": [
            {**group, "rules": [each for each in group["rules"] if wanted(each)]}
            for group in rules["groups"]
        ]
    }


def run(
    folder: Path, cases: Sequence[Case], interval: str = "30s", promise: tuple[str, str] = ("", "")
) -> None:
    """Runs cases against the rules that the chart holds, or those of a capability's promise alone.

    Fails with what promtool says.
    """
    file, rules = folder / "tests.yaml", folder / "rules.yaml"
    held = yaml.safe_load(RULES.read_text("utf-8"))
    if any(promise):
        held = _about(held, *promise)
    rules.write_text(yaml.safe_dump(held, sort_keys=False), "utf-8")
    document = {
        "rule_files": [str(rules)],
        "evaluation_interval": interval,
        # In no order otherwise; a server evaluates them so often that it does not matter.
        "group_eval_order": [group["name"] for group in held["groups"]],
        "tests": list(cases),
    }
    file.write_text(yaml.safe_dump(document, sort_keys=False, width=10_000), "utf-8")
    done = subprocess.run(
        [promtool(), "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
