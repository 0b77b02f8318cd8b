"""What Prometheus learns of the gateway. No label grows with keys, models asked for or paths."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

#: Seconds. From a cached list to a long song.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class GatewayMetrics:
    """The metrics of one gateway process."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        Info("orfeon_build", "Version.", registry=self.registry).info({"version": version})
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "orfeon_http_requests_total",
            "Requests answered, by route and status; 499 is a client that left.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "orfeon_http_request_duration_seconds",
            "Time from a request's first byte to its answer's last.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._errors = Counter(
            "orfeon_http_errors_total",
            "Errors answered, mid-stream ones too, by the code in the envelope.",
            ("route", "code"),
            registry=self.registry,
        )
        self._retries = Counter(
            "orfeon_gateway_retries_total",
            "Further tries of requests whose service died; abandoned: it was not back in time.",
            ("capability", "outcome"),
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "orfeon_http_requests_in_progress", "Requests being answered.", registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float, error: str) -> None:
        """A request ended; `error` is the code of the error answered, empty for none."""
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(route).observe(seconds)
        if error:
            self._errors.labels(route, error).inc()

    def retried(self, capability: str, outcome: str) -> None:
        """A further try of a request ended: `answered`, `failed` or `abandoned`."""
        self._retries.labels(capability, outcome).inc()

    def page(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
