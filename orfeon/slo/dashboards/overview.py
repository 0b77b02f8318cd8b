"""Are the promises kept, and what is left of the budgets?"""

from orfeon.slo.objectives import INDICATORS
from orfeon.slo.panels import Dashboard, Panel, Query, Row
from orfeon.slo.queries import NAMESPACE, of, or_none, quantiles, rate, total
from orfeon.slo.rules import BUDGET, BURN_RATE, RATIO

_WORK = "orfeon_gateway_requests_total"

_OTHERS = "|".join(each for each in INDICATORS if each != "availability")

OVERVIEW = Dashboard(
    "overview",
    "Overview",
    "The promises of docs/slo.md: what is left of each error budget, and what spends it.",
    (
        Row(
            "Now",
            (
                Panel(
                    "Alerts",
                    "Alerts of Orfeón that fire now.",
                    "short",
                    (
                        Query(
                            or_none('count(ALERTS{alertname=~"Orfeon.*",alertstate="firing"})'),
                            "firing",
                            instant=True,
                        ),
                    ),
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Requests at work",
                    "Requests that the gateways are answering.",
                    "short",
                    (
                        Query(
                            f"sum ({of('orfeon_http_requests_in_progress')})",
                            "requests",
                            instant=True,
                        ),
                    ),
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Lowest budget",
                    "The objective with the least of its budget of 30 days left. Below 0 its "
                    "promise is broken.",
                    "percentunit",
                    (Query(f"bottomk(1, {of(BUDGET)})", "{{slo}}", instant=True),),
                    kind="stat",
                    width=8,
                    lowest=None,
                    worse_below=(0, 0.25),
                ),
                Panel(
                    "Errors by code",
                    "Errors answered, by the code in their envelope.",
                    "reqps",
                    (Query(rate("orfeon_http_errors_total", "code"), "{{code}}"),),
                    width=8,
                ),
            ),
        ),
        Row(
            "Error budgets",
            (
                Panel(
                    "Budget left: availability",
                    "Share of the errors allowed in 30 days that is left, by capability and level.",
                    "percentunit",
                    (
                        Query(
                            f"sort ({of(BUDGET, indicator='availability')})",
                            "{{capability}}, level {{priority}}",
                            instant=True,
                        ),
                    ),
                    kind="bargauge",
                    lowest=None,
                    worse_below=(0, 0.25),
                ),
                Panel(
                    "Budget left: time",
                    "Likewise, of first outputs, whole answers, turns, background work and jobs.",
                    "percentunit",
                    (
                        Query(
                            f"sort ({of(BUDGET, indicator_in=_OTHERS)})",
                            "{{slo}}",
                            instant=True,
                        ),
                    ),
                    kind="bargauge",
                    lowest=None,
                    worse_below=(0, 0.25),
                ),
                Panel(
                    "Burn rate",
                    "The budgets that were spent fastest in the last hour, by how many times as "
                    "fast as they last. From 14.4 on somebody is woken.",
                    "none",
                    (
                        Query(f"topk(10, {of(BURN_RATE)})", "{{slo}}"),
                        Query("vector(1)", "as it lasts"),
                    ),
                    width=24,
                ),
            ),
        ),
        Row(
            "What users see",
            (
                Panel(
                    "Requests",
                    "Work asked for, by how it ended.",
                    "reqps",
                    (Query(rate(_WORK, "outcome"), "{{outcome}}"),),
                ),
                Panel(
                    "Errors",
                    "Share of requests that failed, by capability and level.",
                    "percentunit",
                    (
                        Query(
                            of(f"{RATIO}5m", indicator="availability"),
                            "{{capability}}, level {{priority}}",
                        ),
                    ),
                ),
                Panel(
                    "Time to first output",
                    "95 of 100 streams began to tell something within so long.",
                    "s",
                    quantiles(
                        "orfeon_gateway_time_to_first_output_seconds",
                        "operation, priority",
                        "{{operation}}, level {{priority}}",
                    ),
                ),
                Panel(
                    "Shed",
                    "Share of background work that full queues refused.",
                    "percentunit",
                    (Query(of(f"{RATIO}1h", indicator="admission"), "{{capability}}"),),
                ),
                Panel(
                    "Waiting",
                    "Requests that wait for a turn.",
                    "short",
                    (
                        Query(
                            total("orfeon_queue_requests", "capability, priority"),
                            "{{capability}}, level {{priority}}",
                        ),
                    ),
                ),
                Panel(
                    "Time to the turn",
                    "95 of 100 requests waited no longer.",
                    "s",
                    quantiles(
                        "orfeon_queue_duration_seconds",
                        "capability, priority",
                        "{{capability}}, level {{priority}}",
                        outcome="dispatched",
                    ),
                ),
            ),
        ),
    ),
    (NAMESPACE,),
)
