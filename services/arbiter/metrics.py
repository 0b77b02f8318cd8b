"""What Prometheus is told of the node's memory."""

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from orfeon.slo.objectives import BUCKETS
from services.runtime.context import LEVELS
from services.runtime.residency.ledger import Ledger


class ArbiterMetrics:
    """The metrics of one arbiter. Times are in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._memory = Gauge(
            "orfeon_arbiter_memory_bytes",
            "Memory of a device: what may be leased, what is, and what can be granted now.",
            ("device", "kind"),
            registry=registry,
        )
        self._claims = Gauge(
            "orfeon_arbiter_claims", "Claims that wait.", ("level",), registry=registry
        )
        self._grants = Counter("orfeon_arbiter_grants_total", "Claims granted.", registry=registry)
        self._refusals = Counter(
            "orfeon_arbiter_refusals_total", "Claims refused.", registry=registry
        )
        self._revocations = Counter(
            "orfeon_arbiter_revocations_total", "Leases asked back.", registry=registry
        )
        self._waits = Histogram(
            "orfeon_arbiter_claim_wait_seconds",
            "Time from claim to grant.",
            ("level",),
            buckets=BUCKETS,
            registry=registry,
        )

    def granted(self, level: int, seconds: float) -> None:
        """A claim was granted after so long."""
        self._grants.inc()
        self._waits.labels(level).observe(seconds)

    def refused(self) -> None:
        """A claim was refused."""
        self._refusals.inc()

    def revoked(self) -> None:
        """A lease was asked back."""
        self._revocations.inc()

    def look(self, ledger: Ledger) -> None:
        """Takes the gauges from the ledger as it is now."""
        used, free = ledger.used(), ledger.free()
        for device, capacity in ledger.capacity.items():
            self._memory.labels(device, "capacity").set(capacity)
            self._memory.labels(device, "leased").set(used[device])
            self._memory.labels(device, "free").set(free[device])
        waiting = Tally(
            claim.urgency.level for holder in ledger.holders for claim in holder.claims.values()
        )
        for level in LEVELS:
            self._claims.labels(level).set(waiting[level])
