"""What the machines are used for, in days."""

from orfeon.slo.panels import Dashboard, Panel, Query, Row
from orfeon.slo.queries import NAMESPACE, increase, quantiles

_DAY = "1d"
_WORK = "orfeon_gateway_requests_total"

BUSINESS = Dashboard(
    "business",
    "Business",
    "What was made and for whom it was urgent, over the last day at each moment.",
    (
        Row(
            "Work done",
            (
                Panel(
                    "Requests a day",
                    "Requests answered well, by operation.",
                    "short",
                    (
                        Query(
                            increase(_WORK, "capability, operation", _DAY, outcome="ok"),
                            "{{capability}}: {{operation}}",
                        ),
                    ),
                ),
                Panel(
                    "By level",
                    "Requests answered well, by urgency.",
                    "short",
                    (Query(increase(_WORK, "priority", _DAY, outcome="ok"), "level {{priority}}"),),
                ),
                Panel(
                    "Tokens a day",
                    "Tokens read and generated.",
                    "short",
                    (
                        Query(
                            increase("orfeon_tokens_total", "capability, task", _DAY),
                            "{{capability}}: {{task}}",
                        ),
                    ),
                ),
                Panel(
                    "Sound a day",
                    "Sound heard and made.",
                    "s",
                    (
                        Query(
                            increase("orfeon_audio_seconds_total", "capability, task", _DAY),
                            "{{capability}}: {{task}}",
                        ),
                    ),
                ),
                Panel(
                    "Songs a day",
                    "Songs that were made, and that failed.",
                    "short",
                    (
                        Query(
                            increase("orfeon_jobs_total", "outcome", _DAY, capability="song"),
                            "{{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    "Time of a song",
                    "From order to end, waiting included.",
                    "s",
                    quantiles(
                        "orfeon_job_duration_seconds", "priority", "level {{priority}}", (0.5, 0.95)
                    ),
                ),
            ),
        ),
        Row(
            "Work not done",
            (
                Panel(
                    "Turned away a day",
                    "Shed, refused and failed requests, and clients that left.",
                    "short",
                    (
                        Query(
                            increase(
                                _WORK,
                                "capability, outcome",
                                _DAY,
                                outcome_in="error|shed|refused|left",
                            ),
                            "{{capability}}: {{outcome}}",
                        ),
                    ),
                    width=24,
                ),
            ),
        ),
    ),
    (NAMESPACE,),
)
