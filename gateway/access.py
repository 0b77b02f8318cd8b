"""What is kept of every request, by whatever protocol it came: a name, a count, a line."""

import logging
import re

from gateway.exchange import Exchange
from gateway.metrics import GatewayMetrics
from gateway.operations import OPERATIONS, level_of, outcome_of
from services.runtime import tracing
from services.runtime.context import new_request_id

log = logging.getLogger("gateway.access")

#: The least status that says that the fault is ours.
_FAULT = 500

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def request_id_of(given: str) -> str:
    """The id that the client has given its request, or a fresh one where that is none."""
    return given if _SANE_REQUEST_ID.fullmatch(given) else new_request_id()


def record(
    metrics: GatewayMetrics,
    exchange: Exchange,
    method: str,
    route: str,
    status: int,
    level: int = logging.INFO,
) -> None:
    """Counts a request that has ended, and logs it."""
    seconds = exchange.seconds()
    metrics.answered(method, route, status, seconds, exchange.error)
    if (operation := OPERATIONS.get((method, route))) is not None:
        priority = level_of(exchange)
        outcome = outcome_of(status, exchange.error, priority)
        metrics.worked(operation, priority, outcome, seconds, exchange.output)
    described: dict[str, str | int] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "orfeon.request_id": exchange.request_id,
    }
    if operation is not None:
        described |= {"gen_ai.operation.name": operation.name, "orfeon.priority": priority}
    if exchange.tokens:
        described["orfeon.tokens"] = exchange.tokens
    if exchange.error:
        described["error.type"] = exchange.error
    tracing.describe(described, name=f"{method} {route}", failed=status >= _FAULT)
    if log.isEnabledFor(level):
        facts = {
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "key": exchange.key.id if exchange.key else None,
            "priority": exchange.priority,
            "error": exchange.error or None,
        }
        log.log(level, "answered", extra=facts)
