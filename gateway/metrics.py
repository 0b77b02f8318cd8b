"""What Prometheus learns of the gateway. No label grows with keys, models asked for or paths."""

from collections.abc import Callable, Collection

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from gateway.operations import OPERATIONS, Operation
from gateway.settings import Capability
from orfeon.slo.objectives import BUCKETS, LEVELS, OUTCOMES, Outcome
from services.runtime import tracing

_PER_OPERATION = ("capability", "operation", "priority")


class GatewayMetrics:
    """The metrics of one gateway process, for the capabilities that it knows an address of."""

    def __init__(self, version: str, capabilities: Collection[Capability] = ()) -> None:
        self.registry = CollectorRegistry()
        Info("orfeon_build", "Version.", registry=self.registry).info(
            {"version": version, "capability": "gateway"}
        )
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
            buckets=BUCKETS,
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
        self._uncounted = Counter(
            "orfeon_gateway_rate_limit_failures_total",
            "Requests that could not be counted, Redis being away: open: served, closed: refused.",
            ("level", "outcome"),
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "orfeon_http_requests_in_progress", "Requests being answered.", registry=self.registry
        )

        self._work = Counter(
            "orfeon_gateway_requests_total",
            "Work asked for, by how it ended: ok, error, shed, refused or left.",
            (*_PER_OPERATION, "outcome"),
            registry=self.registry,
        )
        self._work_durations = Histogram(
            "orfeon_gateway_request_duration_seconds",
            "Time from the first byte of work that was done to its answer's last.",
            _PER_OPERATION,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._first_outputs = Histogram(
            "orfeon_gateway_time_to_first_output_seconds",
            "Time to the first token, line or sound of a streamed answer.",
            _PER_OPERATION,
            buckets=BUCKETS,
            registry=self.registry,
        )
        for level in LEVELS:
            for outcome in ("open", "closed"):
                self._uncounted.labels(str(level), outcome)
        for capability in capabilities:
            for tried in ("answered", "failed", "abandoned"):
                self._retries.labels(capability, tried)
        for operation in {each for each in OPERATIONS.values() if each.capability in capabilities}:
            self._expect(operation)

    def _expect(self, operation: Operation) -> None:
        # From zero on: the first error of a kind would otherwise be no increase.
        for level in LEVELS:
            labels = (operation.capability, operation.name, str(level))
            for outcome in OUTCOMES:
                self._work.labels(*labels, outcome)
            self._work_durations.labels(*labels)
            self._first_outputs.labels(*labels)

    def answered(self, method: str, route: str, status: int, seconds: float, error: str) -> None:
        """A request ended; `error` is the code of the error answered, empty for none."""
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(route).observe(seconds, tracing.exemplar())
        if error:
            self._errors.labels(route, error).inc()

    def worked(
        self,
        operation: Operation,
        level: int,
        outcome: Outcome,
        seconds: float,
        first_output: float | None,
    ) -> None:
        """Work ended after so many seconds, its first output, if any, after fewer."""
        labels = (operation.capability, operation.name, str(level))
        self._work.labels(*labels, outcome).inc()
        if outcome == "ok":
            self._work_durations.labels(*labels).observe(seconds, tracing.exemplar())
        if first_output is not None:
            self._first_outputs.labels(*labels).observe(first_output, tracing.exemplar())

    def watch_database(self, up: Callable[[], bool]) -> None:
        """Tells whether the database of keys answered when it was last asked."""
        Gauge(
            "orfeon_gateway_database_up",
            "1 while the database of keys answers, 0 while keys are served from memory.",
            registry=self.registry,
        ).set_function(up)

    def watch_provider(self, up: Callable[[], bool]) -> None:
        """Tells whether the OpenID provider gave its keys when it was last asked."""
        Gauge(
            "orfeon_gateway_oidc_up",
            "1 while the OpenID provider gives its keys, 0 while the last ones are used.",
            registry=self.registry,
        ).set_function(up)

    def uncounted(self, level: int, outcome: str) -> None:
        """A request could not be counted against its rate: `open` or `closed`."""
        self._uncounted.labels(str(level), outcome).inc()

    def retried(self, capability: str, outcome: str) -> None:
        """A further try of a request ended: `answered`, `failed` or `abandoned`."""
        self._retries.labels(capability, outcome).inc()

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """Everything, and its media type: OpenMetrics, which has room for exemplars, for who
        accepts it, and Prometheus' text format otherwise.
        """
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type
