"""The way in: Traefik, the gateway as a web server, and Studio."""

from orfeon.slo.panels import Dashboard, Panel, Query, Row, Unit
from orfeon.slo.queries import NAMESPACE, of, quantiles, rate, total

_INTERVAL = "$__rate_interval"


def _bytes(direction: str) -> str:
    metric = f"traefik_entrypoint_{direction}_bytes_total"
    return f"sum by (entrypoint) (rate({metric}[{_INTERVAL}]))"


_PER_SECOND: Unit = "reqps"

EDGE = Dashboard(
    "edge",
    "Edge",
    "Traefik by its own metrics, of all that it serves, the gateway's HTTP and gRPC, and Studio.",
    (
        Row(
            "Traefik",
            (
                Panel(
                    "Requests",
                    "Requests at the entry points, by status.",
                    _PER_SECOND,
                    (
                        Query(
                            "sum by (entrypoint, code) "
                            f"(rate(traefik_entrypoint_requests_total[{_INTERVAL}]))",
                            "{{entrypoint}} {{code}}",
                        ),
                    ),
                ),
                Panel(
                    "Requests of services",
                    "Requests that were sent on, by service and status.",
                    _PER_SECOND,
                    (
                        Query(
                            "sum by (service, code) "
                            f"(rate(traefik_service_requests_total[{_INTERVAL}]))",
                            "{{service}} {{code}}",
                        ),
                    ),
                ),
                Panel(
                    "Time of requests",
                    "95 of 100 requests took no longer. Streams take as long as they last.",
                    "s",
                    (
                        Query(
                            "histogram_quantile(0.95, sum by (le, entrypoint) "
                            f"(rate(traefik_entrypoint_request_duration_seconds_bucket[{_INTERVAL}])))",
                            "{{entrypoint}} p95",
                        ),
                    ),
                ),
                Panel(
                    "Connections",
                    "Connections that are open.",
                    "short",
                    (
                        Query(
                            "sum by (entrypoint, protocol) (traefik_open_connections)",
                            "{{entrypoint}} {{protocol}}",
                        ),
                    ),
                ),
                Panel(
                    "Bytes",
                    "Bytes that came in and went out.",
                    "Bps",
                    (
                        Query(_bytes("requests"), "in: {{entrypoint}}"),
                        Query(_bytes("responses"), "out: {{entrypoint}}"),
                    ),
                ),
                Panel(
                    "Certificates",
                    "Time until each certificate ends.",
                    "s",
                    (Query("min by (cn) (traefik_tls_certs_not_after) - time()", "{{cn}}"),),
                ),
            ),
        ),
        Row(
            "Gateway",
            (
                Panel(
                    "Requests by status",
                    "HTTP and gRPC; 499 is a client that left.",
                    _PER_SECOND,
                    (
                        Query(
                            rate("orfeon_http_requests_total", "method, status"),
                            "{{method}} {{status}}",
                        ),
                    ),
                ),
                Panel(
                    "Time by route",
                    "95 of 100 requests took no longer.",
                    "s",
                    quantiles("orfeon_http_request_duration_seconds", "route", "{{route}}"),
                ),
                Panel(
                    "Errors by route",
                    "Errors answered, by route and code.",
                    _PER_SECOND,
                    (
                        Query(
                            rate("orfeon_http_errors_total", "route, code"), "{{route}}: {{code}}"
                        ),
                    ),
                ),
                Panel(
                    "At work",
                    "Requests being answered.",
                    "short",
                    (Query(total("orfeon_http_requests_in_progress", "instance"), "{{instance}}"),),
                ),
                Panel(
                    "State",
                    "Whether every gateway reaches the database of keys, and the OpenID provider "
                    "where there is one: 1, or 0.",
                    "short",
                    (
                        Query(f"min ({of('orfeon_gateway_database_up')})", "database"),
                        Query(f"min ({of('orfeon_gateway_oidc_up')})", "OpenID provider"),
                    ),
                ),
                Panel(
                    "Not counted",
                    "Requests that could not be counted against their rate, Redis being away: "
                    "served (open) or refused (closed).",
                    _PER_SECOND,
                    (
                        Query(
                            rate("orfeon_gateway_rate_limit_failures_total", "level, outcome"),
                            "level {{level}}: {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    "Processor",
                    "Seconds of processor time a second.",
                    "short",
                    (
                        Query(
                            rate("process_cpu_seconds_total", "instance", job_in=".*-gateway"),
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    "Memory",
                    "Memory in use.",
                    "bytes",
                    (
                        Query(
                            of("process_resident_memory_bytes", job_in=".*-gateway"),
                            "{{instance}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Studio",
            (
                Panel(
                    "Signed in",
                    "People who are signed in.",
                    "short",
                    (Query(total("orfeon_studio_sessions", "instance"), "{{instance}}"),),
                    width=8,
                ),
                Panel(
                    "Pages",
                    "Pages sent, by status; 303 leads to signing in.",
                    _PER_SECOND,
                    (
                        Query(
                            rate("orfeon_studio_pages_total", "page, status"),
                            "{{page}} {{status}}",
                        ),
                    ),
                    width=8,
                ),
                Panel(
                    "Failures",
                    "What people did in pages and failed, by what was wrong; unexpected is a fault "
                    "of Studio's.",
                    _PER_SECOND,
                    (Query(rate("orfeon_studio_failures_total", "kind"), "{{kind}}"),),
                    width=8,
                ),
                Panel(
                    "Processor of Studio",
                    "Seconds of processor time a second.",
                    "short",
                    (
                        Query(
                            rate("process_cpu_seconds_total", "instance", job_in=".*-studio"),
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    "Memory of Studio",
                    "Memory in use.",
                    "bytes",
                    (
                        Query(
                            of("process_resident_memory_bytes", job_in=".*-studio"),
                            "{{instance}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
    (NAMESPACE,),
)
