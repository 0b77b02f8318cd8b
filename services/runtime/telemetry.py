"""Logs as JSON lines with request ids, and the metrics that every capability container has.

No log line carries a prompt, a transcript, lyrics or audio: messages are fixed, facts go into
fields, and of an unexpected exception only its type and stack are kept, since its message may
quote the input.
"""

import json
import logging
import os
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from orfeon.slo.objectives import BUCKETS
from services.runtime import tracing
from services.runtime.context import LEVELS, current_request_id
from services.runtime.residency.resident import Reason
from services.runtime.scheduler import Outcome, Ticket

#: In what the cost of a capability's turns is told; that of others means nothing outside.
_UNITS = {
    "chat": "tokens",
    "lyrics": "tokens",
    "speech": "audio_seconds",
    "emotion": "audio_seconds",
    "melody": "audio_seconds",
}

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_encode = json.JSONEncoder(default=str, ensure_ascii=False).encode


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id and the `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := current_request_id.get():
            line["request_id"] = request_id
        if trace_id := tracing.trace_id():
            line["trace_id"] = trace_id
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["stack"] = "".join(traceback.format_tb(record.exc_info[2]))
        return _encode(line)


def configure_logging(level: str) -> None:
    """Sends every log line of the process to standard error as JSON."""
    # Facts that no line of ours shows; to collect them takes longer than to write the line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    # A descriptor of its own: the one of standard error leads nowhere while a library is silenced.
    stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class ServiceMetrics:
    """The Prometheus metrics of one capability; hears of its queue and of its models."""

    def __init__(self, capability: str, version: str) -> None:
        self.registry = CollectorRegistry()
        self._capability = capability
        Info("orfeon_build", "Version.", registry=self.registry).info(
            {"version": version, "capability": capability}
        )
        per_ticket = ("capability", "model", "priority")
        self._queue = Gauge(
            "orfeon_queue_requests", "Requests waiting.", per_ticket, registry=self.registry
        )
        self._pending = Gauge(
            "orfeon_pending_requests",
            "Requests waiting or at work, by which pods are scaled.",
            ("capability",),
            registry=self.registry,
        )
        self._waits = Histogram(
            "orfeon_queue_duration_seconds",
            "Time spent waiting for a slot.",
            (*per_ticket, "outcome"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._depths: dict[tuple[str, int], Gauge] = {}
        self._waited: dict[tuple[str, int, Outcome], Histogram] = {}
        self._requests = Counter(
            "orfeon_requests_total",
            "Requests answered, by how.",
            ("capability", "method", "priority", "outcome"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "orfeon_request_duration_seconds",
            "Time from call to last answer.",
            ("capability", "method", "priority"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        per_model = ("capability", "model")
        self._memory_waits = Histogram(
            "orfeon_memory_wait_seconds",
            "Time a model waited for memory.",
            per_ticket,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._loads = Histogram(
            "orfeon_model_load_duration_seconds",
            "Time to read a model into memory.",
            per_model,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._load_failures = Counter(
            "orfeon_model_load_failures_total",
            "Loads that failed or took too long.",
            per_model,
            registry=self.registry,
        )
        self._unloads = Counter(
            "orfeon_model_unloads_total",
            "Models that left memory: evicted for others, idle, asked or closed.",
            (*per_model, "reason"),
            registry=self.registry,
        )
        self._fallbacks = Counter(
            "orfeon_fallbacks_total",
            "Answers by a faster model than the one asked for: asked, deadline or queue.",
            (*per_model, "instead_of", "reason"),
            registry=self.registry,
        )
        self._resident = Gauge(
            "orfeon_model_resident_bytes",
            "Memory a loaded model takes.",
            per_model,
            registry=self.registry,
        )
        self._unreturned = Gauge(
            "orfeon_model_unreturned_bytes",
            "Memory that did not come back when the model was last unloaded.",
            per_model,
            registry=self.registry,
        )

        amounts = {
            unit: Counter(
                f"orfeon_{unit}_total", says, ("capability", "task"), registry=self.registry
            )
            for unit, says in (
                ("tokens", "Tokens read and generated, of what was answered to the end."),
                ("audio_seconds", "Sound heard and made, likewise."),
            )
        }
        self._amount = amounts.get(_UNITS.get(capability, ""))

    def worked(self, task: str, cost: float) -> None:
        """A turn ended well that cost so much, in the capability's unit."""
        if self._amount is not None:
            self._amount.labels(self._capability, task).inc(cost)

    def counts(self, pending: Callable[[], int]) -> None:
        """Asks `pending` how many requests wait or are at work, whenever somebody looks."""
        self._pending.labels(self._capability).set_function(pending)

    def stood_in(self, model: str, asked: str, why: str) -> None:
        """A faster model answered in the stead of the one asked for."""
        self._fallbacks.labels(self._capability, model, asked, why).inc()

    def passed(self, ticket: Ticket, outcome: Outcome) -> None:
        """A ticket did not wait."""
        self._wait(ticket, outcome).observe(0)

    def queued(self, ticket: Ticket) -> None:
        """A ticket began to wait."""
        self._depth(ticket).inc()

    def left(self, ticket: Ticket, seconds: float, outcome: Outcome) -> None:
        """A ticket waits no longer."""
        self._depth(ticket).dec()
        self._wait(ticket, outcome).observe(seconds)

    def _depth(self, ticket: Ticket) -> Gauge:
        # Kept, since to find a metric by its labels takes longer than to count.
        place = (ticket.model, ticket.priority)
        if (gauge := self._depths.get(place)) is None:
            gauge = self._depths[place] = self._queue.labels(self._capability, *place)
        return gauge

    def _wait(self, ticket: Ticket, outcome: Outcome) -> Histogram:
        place = (ticket.model, ticket.priority, outcome)
        if (histogram := self._waited.get(place)) is None:
            histogram = self._waited[place] = self._waits.labels(self._capability, *place)
        return histogram

    def answered(self, method: str, priority: int, seconds: float, outcome: str) -> None:
        """A call ended; `outcome` is `ok` or the reason of the error."""
        self._requests.labels(self._capability, method, priority, outcome).inc()
        durations = self._durations.labels(self._capability, method, priority)
        durations.observe(seconds, tracing.exemplar())

    def waited(self, name: str, level: int, seconds: float) -> None:
        """A model's claim for memory was granted."""
        self._memory_waits.labels(self._capability, name, level).observe(seconds)

    def loaded(self, name: str, seconds: float, size: int) -> None:
        """A model came into memory."""
        self._loads.labels(self._capability, name).observe(seconds)
        # From zero on: the first failure would otherwise be no increase.
        self._load_failures.labels(self._capability, name)
        self._resident.labels(self._capability, name).set(size)

    def load_failed(self, name: str) -> None:
        """A model's load failed or took too long."""
        self._load_failures.labels(self._capability, name).inc()

    def unloaded(self, name: str, reason: Reason, unreturned: int) -> None:
        """A model left memory."""
        self._resident.labels(self._capability, name).set(0)
        self._unreturned.labels(self._capability, name).set(unreturned)
        self._unloads.labels(self._capability, name, reason).inc()


class JobMetrics:
    """The metrics of a capability whose work are jobs."""

    def __init__(self, service: ServiceMetrics, capability: str) -> None:
        self._capability = capability
        self._jobs = Counter(
            "orfeon_jobs_total",
            "Jobs that ended by themselves: succeeded or failed.",
            ("capability", "priority", "outcome"),
            registry=service.registry,
        )
        self._durations = Histogram(
            "orfeon_job_duration_seconds",
            "Time from the order to the end.",
            ("capability", "priority"),
            buckets=BUCKETS,
            registry=service.registry,
        )
        # From zero on: the first failure would otherwise be no increase.
        for level in LEVELS:
            self._durations.labels(capability, level)
            for outcome in ("succeeded", "failed"):
                self._jobs.labels(capability, level, outcome)

    def ended(self, level: int, seconds: float, *, succeeded: bool) -> None:
        """A job ended, so many seconds after it was ordered."""
        outcome = "succeeded" if succeeded else "failed"
        self._jobs.labels(self._capability, level, outcome).inc()
        self._durations.labels(self._capability, level).observe(seconds)
