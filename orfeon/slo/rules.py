"""Recording rules of Prometheus: how much of each promise was kept, over which windows.

Two rates for each objective, of what was bad and of all, are the only rules that know a metric.
Longer windows average both apart, so that a busy minute weighs more than a quiet one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from orfeon.slo.objectives import BURNS, OBJECTIVES, PERIOD_DAYS, Objective

Rule = dict[str, Any]

#: What sums are kept apart by, beside the objective: releases of one cluster.
BY = "by (namespace)"

BAD, TOTAL, OBJECTIVE = "slo:bad:rate", "slo:total:rate", "slo:objective:ratio"
RATIO, BUDGET, BURN_RATE = "slo:error:ratio_rate", "slo:error_budget:ratio", "slo:burn_rate:ratio"

PERIOD = f"{PERIOD_DAYS}d"
#: Windows of less than a day average the rates over five minutes; those of days, which are many
#: samples, the averages over an hour.
SHORT = ("30m", "1h", "2h", "6h")
LONG = ("1d", "3d", PERIOD)

#: Seconds between two evaluations of each.
INTERVAL, LONG_INTERVAL = 30, 300

_WORK = "orfeon_gateway_requests_total"
_WAIT = "orfeon_queue_duration_seconds"
_JOBS = "orfeon_jobs_total"
_HISTOGRAMS = {
    "first_output": "orfeon_gateway_time_to_first_output_seconds",
    "latency": "orfeon_gateway_request_duration_seconds",
}


def labels_of(objective: Objective) -> dict[str, str]:
    """The labels of an objective's series."""
    return {
        "slo": objective.name,
        "indicator": objective.indicator,
        "capability": objective.capability,
        "operation": objective.operation,
        "priority": str(objective.level),
    }


def bound(seconds: float) -> str:
    """A bucket's bound as metrics write it."""
    return repr(float(seconds))


def selector(**labels: str) -> str:
    """Labels that have to match; a name that ends with `_in` takes an expression."""
    matchers = (
        f'{name.removesuffix("_in")}=~"{value}"' if name.endswith("_in") else f'{name}="{value}"'
        for name, value in labels.items()
    )
    return "{" + ",".join(matchers) + "}"


def _rate(metric: str, **labels: str) -> str:
    return f"sum {BY} (rate({metric}{selector(**labels)}[5m]))"


def events(objective: Objective) -> tuple[str, str]:
    """The rates of an objective's bad events and of all."""
    labels = {"capability": objective.capability, "priority": str(objective.level)}
    match objective.indicator:
        case "availability":
            return (
                _rate(_WORK, **labels, outcome="error"),
                _rate(_WORK, **labels, outcome_in="ok|error"),
            )
        case "admission":
            return (
                _rate(_WORK, **labels, outcome="shed"),
                _rate(_WORK, **labels, outcome_in="ok|error|shed"),
            )
        case "completion":
            return _rate(_JOBS, **labels, outcome="failed"), _rate(_JOBS, **labels)
        case "queue_wait":
            # Who was refused, or left, has had no turn.
            return _late(
                _WAIT, objective.seconds, **labels, outcome_in="dispatched|evicted_deadline"
            )
        case "first_output" | "latency":
            metric = _HISTOGRAMS[objective.indicator]
            return _late(metric, objective.seconds, **labels, operation=objective.operation)


def _late(metric: str, seconds: float, **labels: str) -> tuple[str, str]:
    total = _rate(f"{metric}_count", **labels)
    good = _rate(f"{metric}_bucket", **labels, le=bound(seconds))
    return f"clamp_min({total} - {good}, 0)", total


def _record(name: str, expression: str, labels: Mapping[str, str] | None = None) -> Rule:
    return {"record": name, "expr": expression, **({"labels": dict(labels)} if labels else {})}


def _of_events() -> Iterator[Rule]:
    for objective in OBJECTIVES:
        bad, total = events(objective)
        labels = labels_of(objective)
        yield _record(f"{BAD}5m", bad, labels)
        yield _record(f"{TOTAL}5m", total, labels)


def _of_objectives() -> Iterator[Rule]:
    for objective in OBJECTIVES:
        yield _record(OBJECTIVE, f"vector({objective.ratio})", labels_of(objective))


def _ratio(window: str, bad: str, total: str) -> Rule:
    # Where nothing was asked for nothing was kept or broken.
    return _record(f"{RATIO}{window}", f"{bad} / ({total} > 0)")


def _averaged(window: str, of: str) -> tuple[str, str]:
    return f"avg_over_time({BAD}{of}[{window}])", f"avg_over_time({TOTAL}{of}[{window}])"


def _of_short_windows() -> Iterator[Rule]:
    yield _ratio("5m", f"{BAD}5m", f"{TOTAL}5m")
    for window in SHORT:
        yield _ratio(window, *_averaged(window, "5m"))
    yield _record(BURN_RATE, f"{RATIO}1h / on (slo) group_left () (1 - {OBJECTIVE})")


def _of_long_windows() -> Iterator[Rule]:
    bad, total = _averaged("1h", "5m")
    yield _record(f"{BAD}1h", bad)
    yield _record(f"{TOTAL}1h", total)
    for window in LONG:
        yield _ratio(window, *_averaged(window, "1h"))
    yield _record(BUDGET, f"1 - {RATIO}{PERIOD} / on (slo) group_left () (1 - {OBJECTIVE})")


def recording_groups() -> list[dict[str, Any]]:
    """The groups, in the order in which they depend on one another."""
    return [
        _group("orfeon-slo-events", INTERVAL, _of_events()),
        _group("orfeon-slo-objectives", INTERVAL, _of_objectives()),
        _group("orfeon-slo-windows", INTERVAL, _of_short_windows()),
        _group("orfeon-slo-days", LONG_INTERVAL, _of_long_windows()),
    ]


def _group(name: str, seconds: int, rules: Iterator[Rule]) -> dict[str, Any]:
    return {"name": name, "interval": f"{seconds}s", "rules": list(rules)}


def unreachable() -> list[str]:
    """Objectives whose budget cannot be spent fast enough for an alert of theirs."""
    return [
        f"{objective.name} at {burn.factor}"
        for objective in OBJECTIVES
        for burn in BURNS
        if burn.factor * (1 - objective.ratio) >= 1
    ]
