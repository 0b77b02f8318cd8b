"""What Prometheus is told of the web app: who is there, what was served, and what failed."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from services.studio.failures import KINDS


class StudioMetrics:
    """The metrics of one web app. `sessions` counts those who are signed in."""

    def __init__(self, registry: CollectorRegistry, sessions: Callable[[], int]) -> None:
        ProcessCollector(registry=registry)
        signed_in = Gauge("orfeon_studio_sessions", "People who are signed in.", registry=registry)
        signed_in.set_function(sessions)
        self._pages = Counter(
            "orfeon_studio_pages_total",
            "Pages sent, by the status of their answer.",
            ("page", "status"),
            registry=registry,
        )
        self._failures = Counter(
            "orfeon_studio_failures_total",
            "Events of pages that ended with an error, by what was wrong.",
            ("kind",),
            registry=registry,
        )
        # From zero on: the first failure of a kind would otherwise be no increase.
        for kind in KINDS:
            self._failures.labels(kind)

    def served(self, page: str, status: int) -> None:
        """A page was sent."""
        self._pages.labels(page, status).inc()

    def failed(self, kind: str) -> None:
        """An event ended with an error; `kind` is of `failures.kind_of`."""
        self._failures.labels(kind).inc()
