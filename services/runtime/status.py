"""Errors on the wire: OrfeonError <-> gRPC status with `google.rpc.ErrorInfo` and `RetryInfo`."""

import math
from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc.aio import AbortError, AioRpcError

from services.runtime.errors import (
    BY_REASON,
    FACTS,
    ContentTooLarge,
    DeadlineExceeded,
    Internal,
    OrfeonError,
    ServiceUnavailable,
)

DOMAIN = "orfeon"
DETAILS_KEY = "grpc-status-details-bin"

#: So begins what gRPC's asyncio says, by an INTERNAL of its own, where the other end of a call went
#: away, or ended the call, while a message was sent to it. What that said of it is lost.
_UNSENT = "Internal error from Core"
_GONE = (
    ServiceUnavailable,
    "The service behind this route is down or restarting; try again shortly.",
)
#: What gRPC itself reports, with no detail of ours: the connection, the clock, the caller.
_TRANSPORT: dict[grpc.StatusCode, tuple[type[OrfeonError], str]] = {
    # So a server that stops ends the calls that still come. Whoever cancels a call himself hears
    # of it as `asyncio.CancelledError`.
    grpc.StatusCode.CANCELLED: _GONE,
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        DeadlineExceeded,
        "The request did not finish in the time allowed; ask for less or allow more time.",
    ),
    grpc.StatusCode.UNAVAILABLE: _GONE,
    # A message that is longer than the server takes.
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        ContentTooLarge,
        "The request is larger than the service takes at once; send less.",
    ),
}


def code_of(error: OrfeonError) -> grpc.StatusCode:
    """The gRPC status code of an error."""
    return grpc.StatusCode[error.grpc_code]


def details_of(error: OrfeonError) -> bytes:
    """The serialized `google.rpc.Status` that goes into the trailers."""
    info = ErrorInfo(reason=error.reason, domain=DOMAIN)
    if error.param is not None:
        info.metadata["param"] = error.param
    for name in FACTS:
        if name in error.facts:
            info.metadata[name] = repr(float(error.facts[name]))
    status = Status(code=code_of(error).value[0], message=error.message)
    status.details.append(_packed(info))
    if error.retry_after is not None:
        nanos, seconds = math.modf(error.retry_after)
        delay = Duration(seconds=int(seconds), nanos=int(nanos * 1e9))
        status.details.append(_packed(RetryInfo(retry_delay=delay)))
    return bytes(status.SerializeToString())


def _packed(message: ErrorInfo | RetryInfo) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed


def error_of(failure: AioRpcError) -> OrfeonError:
    """The error a failed call stands for. What no service of ours sent becomes `Internal`."""
    trailers = failure.trailing_metadata()
    raw = trailers.get(DETAILS_KEY) if trailers is not None else None
    if isinstance(raw, bytes):
        status = Status.FromString(raw)
        info, retry = ErrorInfo(), RetryInfo()
        retry_after: float | None = None
        for detail in status.details:
            if detail.Is(RetryInfo.DESCRIPTOR):
                detail.Unpack(retry)
                retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
            elif detail.Is(ErrorInfo.DESCRIPTOR):
                detail.Unpack(info)
        if info.domain == DOMAIN and info.reason in BY_REASON:
            return BY_REASON[info.reason](
                status.message,
                param=info.metadata.get("param"),
                retry_after=retry_after,
                facts=_facts(info.metadata),
            )
    if (failure.details() or "").startswith(_UNSENT):
        return error_of_code(grpc.StatusCode.UNAVAILABLE)
    return error_of_code(failure.code())


def error_of_code(code: grpc.StatusCode) -> OrfeonError:
    """The error that a status of gRPC's own stands for."""
    cls, sentence = _TRANSPORT.get(
        code, (Internal, "The service failed to answer. The failure has been logged.")
    )
    return cls(sentence, retry_after=1.0 if cls.retryable else None)


def _facts(metadata: Mapping[str, str]) -> dict[str, float]:
    """The numbers among the metadata; what is none that can be reckoned with is left out."""
    facts = {}
    for name in FACTS:
        try:
            number = float(metadata[name])
        except (KeyError, ValueError):
            continue
        if math.isfinite(number):
            facts[name] = number
    return facts


def bare(aborted: AbortError) -> AbortError:
    """The exception without the frames that it came through.

    gRPC keeps it with the call, and the frames hold the call and the request: a cycle that may stay
    in memory for long, however large the request was.
    """
    aborted.__context__ = None
    return aborted.with_traceback(None)
