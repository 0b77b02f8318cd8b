"""Alerts: who is told when a promise is being broken, and where it says what to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from orfeon.slo.objectives import BURNS, FEWEST_BAD, INDICATORS, SHEDDABLE, Burn, Indicator
from orfeon.slo.rules import BAD, INTERVAL, OBJECTIVE, RATIO, Rule
from orfeon.slo.runbooks import RUNBOOKS

#: In front of a runbook's file; the chart puts where it can be read before it.
RUNBOOK_FOLDER = "docs/runbooks/"

GATEWAY_ABSENT, CAPABILITY_ABSENT = "OrfeonGatewayAbsent", "OrfeonCapabilityAbsent"
STUDIO_ABSENT = "OrfeonStudioAbsent"
LOADS_FAILING = "OrfeonModelLoadsFailing"
DATABASE_DOWN, RATES_UNCOUNTED = "OrfeonDatabaseDown", "OrfeonRatesUncounted"
PROVIDER_DOWN = "OrfeonOidcDown"
GPU_FAULT, TRITON_FAILING = "OrfeonGpuFault", "OrfeonTritonFailing"

#: The alert of each indicator.
BURN_ALERTS: dict[Indicator, str] = {
    "availability": "OrfeonAvailabilityBurn",
    "first_output": "OrfeonFirstOutputBurn",
    "latency": "OrfeonLatencyBurn",
    "queue_wait": "OrfeonQueueWaitBurn",
    "admission": "OrfeonAdmissionBurn",
    "completion": "OrfeonCompletionBurn",
}

_WORK = "orfeon_gateway_requests_total"
_LOADS = "orfeon_model_load_failures_total"


@dataclass(frozen=True, slots=True)
class _Alert:
    """An alert that no budget is behind. `wait` is how long it has to hold."""

    name: str
    expression: str
    wait: str
    severity: str
    about: str
    """What it is about, from its labels."""


def _gone(metric: str) -> str:
    """Namespaces that had a metric within the last hour, and have it no more."""
    return (
        f"group by (namespace) (present_over_time({metric}[1h])) "
        f"unless on (namespace) group by (namespace) ({metric})"
    )


_OTHERS = (
    _Alert(
        GATEWAY_ABSENT,
        # Of several releases one may be gone, which absent() does not see.
        f"absent({_WORK}) or ({_gone(_WORK)})",
        "5m",
        "page",
        "in namespace {{ $labels.namespace }}",
    ),
    _Alert(
        CAPABILITY_ABSENT,
        f"group by (namespace, capability) ({_WORK}) "
        "unless on (namespace, capability) group by (namespace, capability) (orfeon_build_info)",
        "10m",
        "ticket",
        "of {{ $labels.capability }} in namespace {{ $labels.namespace }}",
    ),
    _Alert(
        STUDIO_ABSENT,
        # A release may have none, so that its absence alone says nothing.
        _gone("orfeon_studio_sessions"),
        "5m",
        "page",
        "in namespace {{ $labels.namespace }}",
    ),
    _Alert(
        LOADS_FAILING,
        # A model's first failure is a new series, which has no increase.
        f"sum by (namespace, capability, model) (increase({_LOADS}[15m])) > 0 "
        f"or sum by (namespace, capability, model) ({_LOADS} unless {_LOADS} offset 15m) > 0",
        "0s",
        "ticket",
        "of {{ $labels.model }}, capability {{ $labels.capability }}",
    ),
    _Alert(
        DATABASE_DOWN,
        "min by (namespace) (orfeon_gateway_database_up) == 0",
        "2m",
        "page",
        "of a gateway in namespace {{ $labels.namespace }}",
    ),
    _Alert(
        PROVIDER_DOWN,
        # The last keys are good for an hour, and each gateway has its own.
        "min by (namespace) (orfeon_gateway_oidc_up) == 0",
        "5m",
        "page",
        "to a gateway in namespace {{ $labels.namespace }}",
    ),
    _Alert(
        RATES_UNCOUNTED,
        "sum by (namespace, outcome) (rate(orfeon_gateway_rate_limit_failures_total[5m])) > 0",
        "2m",
        "ticket",
        "in namespace {{ $labels.namespace }}: {{ $value | humanize }} requests a second fail "
        "{{ $labels.outcome }}",
    ),
    _Alert(
        GPU_FAULT,
        "max by (namespace, Hostname, gpu) (DCGM_FI_DEV_XID_ERRORS) > 0",
        "0s",
        "ticket",
        "of GPU {{ $labels.gpu }} on {{ $labels.Hostname }}: Xid {{ $value }}",
    ),
    _Alert(
        TRITON_FAILING,
        "sum by (namespace, model) "
        '(rate(nv_inference_request_failure{reason!="CANCELED"}[10m])) '
        "> 0.05 * (sum by (namespace, model) (rate(nv_inference_request_success[10m])) "
        "+ sum by (namespace, model) (rate(nv_inference_request_failure[10m])))",
        "5m",
        "ticket",
        "of {{ $labels.model }}: {{ $value | humanize }} a second",
    ),
)


def alert_names() -> list[str]:
    """The name of every alert."""
    return [*BURN_ALERTS.values(), *(each.name for each in _OTHERS)]


def burn_expression(indicator: Indicator, burn: Burn) -> str:
    """Too fast over the long window and over the short one, and more than a few bad events."""
    # Whoever is in the background wakes nobody.
    levels = f',priority!="{SHEDDABLE}"' if burn.severity == "page" else ""
    which = f'{{indicator="{indicator}"{levels}}}'
    limit = f"on (slo) group_left () ({burn.factor} * (1 - {OBJECTIVE}))"
    return (
        f"{RATIO}{burn.long}{which} > {limit} "
        f"and {RATIO}{burn.short}{which} > {limit} "
        # A sum, because a mean takes a young server's hour for the whole window. Rates are
        # estimates: three events may come out as a little less.
        f"and sum_over_time({BAD}5m{which}[{burn.long}]) * {INTERVAL} > {FEWEST_BAD - 0.5}"
    )


def _annotations(name: str, summary: str, description: str) -> dict[str, str]:
    return {
        "summary": summary,
        "description": description,
        "runbook_url": f"{RUNBOOK_FOLDER}{name}.md",
    }


def _burn_rules() -> Iterator[Rule]:
    for indicator in INDICATORS:
        name = BURN_ALERTS[indicator]
        for burn in BURNS:
            # Only background work is shed.
            if indicator == "admission" and burn.severity == "page":
                continue
            yield {
                "alert": name,
                "expr": burn_expression(indicator, burn),
                "labels": {"severity": burn.severity, "window": burn.long},
                "annotations": _annotations(
                    name,
                    f"{RUNBOOKS[name].title}: {{{{ $labels.capability }}}}, "
                    "level {{ $labels.priority }}",
                    f"Over {burn.long}, {{{{ $value | humanizePercentage }}}} of the events of "
                    f"{{{{ $labels.slo }}}} were bad: the error budget is spent {burn.factor} "
                    "times as fast as it lasts.",
                ),
            }


def _other_rules() -> Iterator[Rule]:
    for each in _OTHERS:
        yield {
            "alert": each.name,
            "expr": each.expression,
            "for": each.wait,
            "labels": {"severity": each.severity},
            "annotations": _annotations(
                each.name,
                RUNBOOKS[each.name].title,
                f"{RUNBOOKS[each.name].title} {each.about}.",
            ),
        }


def alert_groups() -> list[dict[str, Any]]:
    """The groups of alerts."""
    return [
        {"name": "orfeon-slo-burns", "interval": f"{INTERVAL}s", "rules": list(_burn_rules())},
        {"name": "orfeon-health", "interval": f"{INTERVAL}s", "rules": list(_other_rules())},
    ]
