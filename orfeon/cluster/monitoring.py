"""Who measures: the Prometheus operator, and KEDA, which asks a Prometheus."""

from collections.abc import Mapping
from typing import Any

from orfeon.cluster.facts import Facts, Prometheus
from orfeon.cluster.findings import Finding, Level, Topic, Values, lookup

AUTOSCALING = Topic("autoscaling")
MONITORING = Topic("monitoring")
GROUP = "monitoring.coreos.com"
_MONITORS, _RULES = "serviceMonitor", "prometheusRule"


def values(facts: Facts) -> Values:
    """What to set for the first Prometheus there is; nothing without one."""
    if GROUP not in (facts.groups or ()) or not facts.prometheuses:
        return {}
    first = facts.prometheuses[0]
    found: Values = {}
    for key, labels in ((_MONITORS, first.monitors), (_RULES, first.rules)):
        if labels is not None:
            found[key] = {"enabled": True, **({"labels": labels} if labels else {})}
    if first.namespace != "monitoring":
        selector = {"matchLabels": {"kubernetes.io/metadata.name": first.namespace}}
        found["networkPolicy"] = {"monitoring": [{"namespaceSelector": selector}]}
    if "keda.sh" in (facts.groups or ()):
        found["autoscaling"] = {
            "prometheusUrl": f"http://prometheus-operated.{first.namespace}.svc:9090"
        }
    return found


def findings(facts: Facts, wanted: Mapping[str, Any]) -> list[Finding]:
    """Whether what the values want is there."""
    asks = [key for key in (_MONITORS, _RULES) if lookup(wanted, f"{key}.enabled")]
    if facts.groups is None:
        return [MONITORING.unknown("This account may not see which kinds the API knows.")]
    if GROUP not in facts.groups:
        level: Level = "missing" if asks else "hint"
        which = (
            f"{' and '.join(asks)} need" if asks else "alerts and dashboards of docs/slo.md need"
        )
        return [
            MONITORING.say(
                level,
                f"There is no Prometheus operator, which {which}: install "
                "kube-prometheus-stack, or leave them off.",
            ),
            *_keda(facts, wanted),
        ]
    if facts.prometheuses is None:
        return [
            MONITORING.unknown(
                "This account may not list Prometheuses: serviceMonitor.labels and "
                "prometheusRule.labels have to be those that they select by.",
            ),
            *_keda(facts, wanted),
        ]
    if not facts.prometheuses:
        return [MONITORING.hint("The operator is there, and no Prometheus."), *_keda(facts, wanted)]
    return [*_selected(facts.prometheuses[0], wanted), *_keda(facts, wanted)]


def _selected(first: Prometheus, wanted: Mapping[str, Any]) -> list[Finding]:
    found = []
    for key, labels in ((_MONITORS, first.monitors), (_RULES, first.rules)):
        if not lookup(wanted, f"{key}.enabled"):
            found.append(
                MONITORING.hint(
                    f"{key} is off: {first.name} selects by more than labels."
                    if labels is None
                    else f"{key}.enabled is off.",
                )
            )
            continue
        given = lookup(wanted, f"{key}.labels")
        given = given if isinstance(given, Mapping) else {}
        if labels is None or not labels.items() <= given.items():
            by = "more than labels" if labels is None else str(labels)
            found.append(
                MONITORING.missing(
                    f"{first.name} selects by {by}, and {key}.labels are "
                    f"{dict(given)}: set them to what it selects by.",
                )
            )
        else:
            found.append(MONITORING.ok(f"{first.name} will find what {key} makes."))
    if not first.all_namespaces:
        found.append(
            MONITORING.hint(
                f"{first.name} looks for ServiceMonitors in its own namespace "
                f"{first.namespace} only: set its serviceMonitorNamespaceSelector.",
            )
        )
    return found


def _keda(facts: Facts, wanted: Mapping[str, Any]) -> list[Finding]:
    capabilities = lookup(wanted, "capabilities")
    capabilities = capabilities if isinstance(capabilities, Mapping) else {}
    paths = ["gateway", *(f"capabilities.{name}" for name in capabilities)]
    asks = [path for path in paths if lookup(wanted, f"{path}.autoscaling.by") == "keda"]
    if "keda.sh" in (facts.groups or ()):
        return [AUTOSCALING.ok("KEDA is there: autoscaling.by may be keda.")]
    if asks:
        return [
            AUTOSCALING.missing(
                f"{asks[0]}.autoscaling.by is keda, which this "
                "cluster does not have: install it, or set it to none.",
            )
        ]
    return [AUTOSCALING.hint("There is no KEDA: pods stay as many as `replicas`.")]
