"""Each promise, through the rules and alerts that are made of it: promtool evaluates them all."""

import subprocess
from pathlib import Path

import pytest
import yaml

from gateway.app import create_app
from gateway.operations import OPERATIONS
from gateway.settings import GatewaySettings
from gateway.upstreams import Upstreams
from orfeon.capabilities import known_capabilities
from orfeon.slo.alerts import BURN_ALERTS
from orfeon.slo.objectives import (
    BUCKETS,
    BURNS,
    CAPABILITIES,
    INDICATORS,
    OBJECTIVES,
    QUEUED,
    SHEDDABLE,
    Objective,
)
from orfeon.slo.rules import bound, unreachable
from tests.contract.chart import CHART
from tests.contract.promtool import RULES, Case, case, promtool, run

#: What is posted and keeps nobody waiting: it tells the service to do something else.
_ORDERS = ("/load", "/unload", "/cancel", "/pause", "/resume")
#: Events of each kind a minute: so many that a rare bad one is more than a few.
PACE = 10_000.0
MINUTES = 30
#: How many times as fast as it lasts a budget is spent: below every alert, and between each two.
BURNING = (0.5, 2, 4, 10, 15)


def test_promises_have_names_of_their_own_and_each_indicator_has_one() -> None:
    names = [each.name for each in OBJECTIVES]
    assert len(names) == len(set(names))
    assert {each.indicator for each in OBJECTIVES} == set(INDICATORS)


def test_every_capability_is_promised_something() -> None:
    assert (
        set(CAPABILITIES) == set(known_capabilities()) == {each.capability for each in OBJECTIVES}
    )
    assert set(CAPABILITIES) - set(QUEUED) == {"song", "training"}


def test_everything_that_is_posted_is_work_or_an_order(tmp_path: Path) -> None:
    app = create_app(GatewaySettings(home=tmp_path, grpc_port=0), Upstreams({}), None)
    posted = {
        path
        for path, methods in app.openapi()["paths"].items()
        if "post" in methods and not path.endswith(_ORDERS)
    }
    assert {path for method, path in OPERATIONS if method == "POST"} == posted


def test_every_bound_is_one_of_a_bucket() -> None:
    assert {each.seconds for each in OBJECTIVES if each.seconds} <= set(BUCKETS)
    assert list(BUCKETS) == sorted(set(BUCKETS))


def test_the_edge_measures_by_the_same_bounds() -> None:
    values = yaml.safe_load((CHART / "examples" / "traefik-values.yaml").read_text("utf-8"))
    bounds = {float(each) for each in values["metrics"]["prometheus"]["buckets"].split(",")}
    assert bounds <= set(BUCKETS)
    assert {each.seconds for each in OBJECTIVES if each.seconds} <= bounds


def test_every_alert_can_be_reached() -> None:
    assert unreachable() == []
    assert all(0.9 < each.ratio < 1 for each in OBJECTIVES)


def test_urgent_work_is_promised_no_less_than_other() -> None:
    levels: dict[tuple[str, ...], list[Objective]] = {}
    for each in OBJECTIVES:
        levels.setdefault((each.indicator, each.capability, each.operation), []).append(each)
    for same in levels.values():
        by_level = sorted(same, key=lambda each: each.level)
        assert [each.seconds for each in by_level] == sorted(each.seconds for each in by_level)
        ratios = [each.ratio for each in by_level]
        assert ratios == sorted(ratios, reverse=True)


def test_promtool_takes_the_rules() -> None:
    subprocess.run([promtool(), "check", "rules", str(RULES)], check=True, capture_output=True)


def _counter(name: str, labels: str, pace: float) -> dict[str, str]:
    return {f'{name}{{namespace="ai",{labels}}}': f"0+{pace!r}x{MINUTES}"}


def _events(objective: Objective, share: float) -> dict[str, str]:
    """Counters of events of which so large a share is bad."""
    labels = f'capability="{objective.capability}",priority="{objective.level}"'
    work = "orfeon_gateway_requests_total"
    one = f'{labels},operation="{objective.operation or "any"}"'
    bad, good = PACE * share, PACE * (1 - share)
    match objective.indicator:
        case "availability":
            return {
                **_counter(work, f'{one},outcome="ok"', good),
                **_counter(work, f'{one},outcome="error"', bad),
                # Neither is for us to answer for.
                **_counter(work, f'{one},outcome="left"', PACE),
                **_counter(work, f'{one},outcome="refused"', PACE),
            }
        case "admission":
            # Beside the PACE of what availability counts.
            return _counter(work, f'{one},outcome="shed"', PACE * share / (1 - share))
        case "completion":
            return {
                **_counter("orfeon_jobs_total", f'{labels},outcome="succeeded"', good),
                **_counter("orfeon_jobs_total", f'{labels},outcome="failed"', bad),
            }
        case "queue_wait":
            metric, one = (
                "orfeon_queue_duration_seconds",
                f'{labels},model="m",outcome="dispatched"',
            )
        case "first_output":
            metric = "orfeon_gateway_time_to_first_output_seconds"
        case "latency":
            metric = "orfeon_gateway_request_duration_seconds"
    le = bound(objective.seconds)
    return {
        **_counter(f"{metric}_count", one, PACE),
        **_counter(f"{metric}_bucket", f'{one},le="{le}"', good),
    }


def _burning(times: float) -> Case:
    """All budgets spent so fast, and which alerts fire then."""
    inputs: dict[str, str] = {}
    for objective in OBJECTIVES:
        inputs |= _events(objective, times * (1 - objective.ratio))
    firing = {
        f'{{alertname="{BURN_ALERTS[each.indicator]}", severity="{burn.severity}", '
        f'slo="{each.name}", window="{burn.long}"}}': 1.0
        for each in OBJECTIVES
        for burn in BURNS
        if times > burn.factor and not (burn.severity == "page" and each.level == SHEDDABLE)
    }
    every = {f'{{slo="{each.name}"}}': 1.0 for each in OBJECTIVES}
    exactly = f"abs({{}} - {times}) < bool 1e-9"
    ratio = "{} / on (slo) group_left () (1 - slo:objective:ratio)"
    windows = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
    end = f"{MINUTES}m"
    return case(
        f"budgets burn {times} times too fast",
        inputs,
        [
            (
                'group by (alertname, slo, window, severity) (ALERTS{alertname=~".*Burn",'
                'alertstate="firing"})',
                end,
                firing,
            ),
            *(
                (
                    f"sum by (slo) ({exactly.format(ratio.format('slo:error:ratio_rate' + each))})",
                    end,
                    every,
                )
                for each in windows
            ),
            (f"sum by (slo) ({exactly.format('slo:burn_rate:ratio')})", end, every),
            (
                f"sum by (slo) (abs(slo:error_budget:ratio - (1 - {times})) < bool 1e-9)",
                end,
                every,
            ),
            ('count(slo:error:ratio_rate5m{namespace!="ai"})', end, {}),
        ],
    )


@pytest.mark.parametrize("times", BURNING)
def test_each_promise_is_told_of_as_fast_as_its_budget_is_spent(
    times: float, tmp_path: Path
) -> None:
    run(tmp_path, [_burning(times)], "5m")
