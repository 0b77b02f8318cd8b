"""Who waits, for what, and what is in memory."""

from orfeon.slo.panels import Dashboard, Panel, Query, Row
from orfeon.slo.queries import NAMESPACE, of, or_none, quantiles, rate, total

_WAIT = "orfeon_queue_duration_seconds"

QUEUE = Dashboard(
    "queue",
    "Queue and memory",
    "The queues of all capabilities, the models in memory, and the arbiter that shares it.",
    (
        Row(
            "Queue",
            (
                Panel(
                    "Waiting",
                    "Requests that wait for a turn, by level.",
                    "short",
                    (
                        Query(
                            total("orfeon_queue_requests", "capability, priority"),
                            "{{capability}}, level {{priority}}",
                        ),
                    ),
                ),
                Panel(
                    "Waits",
                    "95 of 100 turns began within so long, by level.",
                    "s",
                    quantiles(
                        _WAIT,
                        "capability, priority",
                        "{{capability}}, level {{priority}}",
                        outcome="dispatched",
                    ),
                ),
                Panel(
                    "Turns",
                    "Turns that began.",
                    "reqps",
                    (
                        Query(
                            rate(f"{_WAIT}_count", "capability, priority", outcome="dispatched"),
                            "{{capability}}, level {{priority}}",
                        ),
                    ),
                ),
                Panel(
                    "No turn",
                    "Requests that had none: the queue or the model refused them, their time was "
                    "over, or they left.",
                    "reqps",
                    (
                        Query(
                            or_none(
                                f"sum by (capability, outcome) (rate("
                                f'{_WAIT}_count{{namespace=~"$namespace",outcome!="dispatched"}}'
                                "[$__rate_interval]))"
                            ),
                            "{{capability}}: {{outcome}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Models",
            (
                Panel(
                    "In memory",
                    "What the loaded models take.",
                    "bytes",
                    (
                        Query(
                            total("orfeon_model_resident_bytes", "capability, model"),
                            "{{capability}}: {{model}}",
                        ),
                    ),
                ),
                Panel(
                    "Not given back",
                    "Memory that did not come back when a model was last unloaded.",
                    "bytes",
                    (
                        Query(
                            or_none(total("orfeon_model_unreturned_bytes", "capability, model")),
                            "{{capability}}: {{model}}",
                        ),
                    ),
                ),
                Panel(
                    "Model loads",
                    "Models brought into memory, and loads that failed, an hour.",
                    "short",
                    (
                        Query(
                            "3600 * "
                            + rate("orfeon_model_load_duration_seconds_count", "capability, model"),
                            "{{capability}}: {{model}}",
                        ),
                        Query(
                            "3600 * "
                            + rate("orfeon_model_load_failures_total", "capability, model"),
                            "failed: {{capability}}: {{model}}",
                        ),
                    ),
                ),
                Panel(
                    "Time of loads",
                    "95 of 100 loads took no longer.",
                    "s",
                    quantiles("orfeon_model_load_duration_seconds", "capability", "{{capability}}"),
                ),
                Panel(
                    "Model unloads",
                    "Models that left memory, by why, an hour.",
                    "short",
                    (
                        Query(
                            or_none(
                                "3600 * " + rate("orfeon_model_unloads_total", "capability, reason")
                            ),
                            "{{capability}}: {{reason}}",
                        ),
                    ),
                ),
                Panel(
                    "Waits for memory",
                    "95 of 100 models waited no longer until there was room for them.",
                    "s",
                    quantiles(
                        "orfeon_memory_wait_seconds",
                        "capability, priority",
                        "{{capability}}, level {{priority}}",
                    ),
                ),
            ),
        ),
        Row(
            "Arbiter",
            (
                Panel(
                    "Memory of nodes",
                    "What may be leased of each device, what is, and what can be granted now.",
                    "bytes",
                    (
                        Query(
                            total("orfeon_arbiter_memory_bytes", "instance, device, kind"),
                            "{{instance}} {{device}}: {{kind}}",
                        ),
                    ),
                ),
                Panel(
                    "Claims",
                    "Claims that wait, by level.",
                    "short",
                    (Query(total("orfeon_arbiter_claims", "level"), "level {{level}}"),),
                ),
                Panel(
                    "Decisions",
                    "Claims granted and refused, leases asked back.",
                    "reqps",
                    (
                        Query(rate("orfeon_arbiter_grants_total", "namespace"), "granted"),
                        Query(rate("orfeon_arbiter_refusals_total", "namespace"), "refused"),
                        Query(rate("orfeon_arbiter_revocations_total", "namespace"), "revoked"),
                    ),
                ),
                Panel(
                    "Time to a grant",
                    "95 of 100 claims were granted within so long.",
                    "s",
                    quantiles("orfeon_arbiter_claim_wait_seconds", "level", "level {{level}}"),
                ),
                Panel(
                    "Versions",
                    "What runs: a container of each version.",
                    "short",
                    (
                        Query(
                            f"count by (capability, version) ({of('orfeon_build_info')})",
                            "{{capability}} {{version}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
    (NAMESPACE,),
)
