"""One capability: its promises, its speed and what it does."""

from orfeon.slo.panels import Dashboard, Panel, Query, Row, Variable
from orfeon.slo.queries import NAMESPACE, of, or_none, quantiles, rate, total
from orfeon.slo.rules import BUDGET, RATIO

_ONE = "$capability"
_SHARES = (0.5, 0.95, 0.99)

CAPABILITY = Dashboard(
    "capability",
    "Capability",
    "Everything about one capability, as its users and as its container see it.",
    (
        Row(
            "Promises",
            (
                Panel(
                    "Budget left",
                    "Share of what may go wrong in 30 days that is left, by objective.",
                    "percentunit",
                    (Query(f"sort ({of(BUDGET, capability=_ONE)})", "{{slo}}", instant=True),),
                    kind="bargauge",
                    lowest=None,
                    worse_below=(0, 0.25),
                ),
                Panel(
                    "Bad events",
                    "Share of events in five minutes that broke a promise.",
                    "percentunit",
                    (Query(of(f"{RATIO}5m", capability=_ONE), "{{slo}}"),),
                ),
            ),
        ),
        Row(
            "Requests",
            (
                Panel(
                    "Requests",
                    "Work asked for at the gateway.",
                    "reqps",
                    (
                        Query(
                            rate(
                                "orfeon_gateway_requests_total",
                                "operation, priority",
                                capability=_ONE,
                            ),
                            "{{operation}}, level {{priority}}",
                        ),
                    ),
                ),
                Panel(
                    "Endings",
                    "How work ended at the gateway.",
                    "reqps",
                    (
                        Query(
                            rate("orfeon_gateway_requests_total", "outcome", capability=_ONE),
                            "{{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    "Whole answers",
                    "From a request's first byte to its answer's last.",
                    "s",
                    quantiles(
                        "orfeon_gateway_request_duration_seconds",
                        "operation",
                        "{{operation}}",
                        _SHARES,
                        capability=_ONE,
                    ),
                ),
                Panel(
                    "First output",
                    "From a request's first byte to the first token, line or sound.",
                    "s",
                    quantiles(
                        "orfeon_gateway_time_to_first_output_seconds",
                        "operation",
                        "{{operation}}",
                        _SHARES,
                        capability=_ONE,
                    ),
                ),
                Panel(
                    "Calls",
                    "Calls that the container answered, by method and reason.",
                    "reqps",
                    (
                        Query(
                            rate("orfeon_requests_total", "method, outcome", capability=_ONE),
                            "{{method}}: {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    "Time of calls",
                    "From call to last answer, in the container.",
                    "s",
                    quantiles(
                        "orfeon_request_duration_seconds", "method", "{{method}}", capability=_ONE
                    ),
                ),
                Panel(
                    "Asked again",
                    "Requests whose service died on them, by how a further try ended.",
                    "reqps",
                    (
                        Query(
                            rate("orfeon_gateway_retries_total", "outcome", capability=_ONE),
                            "{{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    "Answered by a faster model",
                    "Answers by another model than the one asked for, and why.",
                    "reqps",
                    (
                        Query(
                            or_none(
                                rate("orfeon_fallbacks_total", "model, reason", capability=_ONE)
                            ),
                            "{{model}}: {{reason}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Work",
            (
                Panel(
                    "Tokens",
                    "Tokens read and generated, a second; of capabilities of language.",
                    "short",
                    (
                        Query(
                            or_none(rate("orfeon_tokens_total", "task", capability=_ONE)),
                            "{{task}}",
                        ),
                    ),
                ),
                Panel(
                    "Seconds of sound",
                    "Sound heard and made, seconds a second; of capabilities of sound.",
                    "short",
                    (
                        Query(
                            or_none(rate("orfeon_audio_seconds_total", "task", capability=_ONE)),
                            "{{task}}",
                        ),
                    ),
                ),
                Panel(
                    "Waiting",
                    "Requests that wait for a turn.",
                    "short",
                    (
                        Query(
                            or_none(
                                total("orfeon_queue_requests", "model, priority", capability=_ONE)
                            ),
                            "{{model}}, level {{priority}}",
                        ),
                    ),
                ),
                Panel(
                    "Models in memory",
                    "What the loaded models take.",
                    "bytes",
                    (
                        Query(
                            total("orfeon_model_resident_bytes", "model", capability=_ONE),
                            "{{model}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
    (NAMESPACE, Variable("capability", "orfeon_gateway_requests_total", several=False)),
)
