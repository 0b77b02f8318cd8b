"""Who asks, how urgently and until when: the request context that travels as gRPC metadata."""

import time
import uuid
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

import grpc

from services.runtime import tracing
from services.runtime.errors import InvalidRequest

REQUEST_ID_KEY = "x-request-id"
KEY_ID_KEY = "x-orfeon-key-id"
PRIORITY_KEY = "x-request-priority"

#: Level by meaning. Lower is sooner.
URGENT, NORMAL, BACKGROUND = 0, 1, 2
LEVELS = (URGENT, NORMAL, BACKGROUND)

#: Set for as long as a request is worked on, so that log lines carry it.
current_request_id: ContextVar[str] = ContextVar("request_id", default="")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The context of one request.

    `deadline` is in seconds of `time.monotonic()`, None where the caller set no limit.
    """

    request_id: str
    key_id: str = ""
    priority: int = NORMAL
    deadline: float | None = None

    def metadata(self) -> Sequence[tuple[str, str]]:
        """The context as gRPC metadata. The deadline travels as the call's own timeout."""
        return (
            (REQUEST_ID_KEY, self.request_id),
            (KEY_ID_KEY, self.key_id),
            (PRIORITY_KEY, str(self.priority)),
            *tracing.outgoing().items(),
        )

    def timeout(self) -> float | None:
        """Seconds left, at least 0; None where there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


def new_request_id() -> str:
    """A fresh request id."""
    return f"req_{uuid.uuid4().hex}"


def context_of(call: grpc.aio.ServicerContext) -> RequestContext:  # type: ignore[type-arg]
    """The context of an incoming call. Raises `InvalidRequest` for a priority that is no level."""
    metadata = dict(call.invocation_metadata() or ())
    raw = metadata.get(PRIORITY_KEY, str(NORMAL))
    if raw not in ("0", "1", "2"):
        raise InvalidRequest(f"{PRIORITY_KEY} must be 0, 1 or 2.", param="priority")
    left = call.time_remaining()
    return RequestContext(
        request_id=str(metadata.get(REQUEST_ID_KEY) or new_request_id()),
        key_id=str(metadata.get(KEY_ID_KEY, "")),
        priority=int(raw),
        deadline=None if left is None else time.monotonic() + left,
    )
