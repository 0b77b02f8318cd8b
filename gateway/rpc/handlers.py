"""Every public method as gRPC's server wants it: named, observed, and its failures as statuses."""

from __future__ import annotations  # RpcMethodHandler takes type arguments in stubs only.

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from starlette.datastructures import Headers

from gateway.access import record, request_id_of
from gateway.errors import error_behind
from gateway.exchange import Exchange
from gateway.metrics import GatewayMetrics
from gateway.rpc.calls import PublicCalls
from gateway.rpc.methods import METHODS, Method
from gateway.rpc.wire import Wire, headers_in
from services.runtime import tracing
from services.runtime.context import REQUEST_ID_KEY, current_request_id
from services.runtime.errors import (
    Cancelled,
    DeadlineExceeded,
    MethodNotAllowed,
    OrfeonError,
)
from services.runtime.status import bare

_OK, _LEFT = 200, Cancelled.http_status
#: What stands for HTTP's method in metrics and logs.
_GRPC = "GRPC"

Behaviour = Callable[[Any, Any], Awaitable[None]]


def _left(wire: Wire) -> OrfeonError:
    """Why a client did not wait."""
    if wire.seconds_left() == 0:
        return DeadlineExceeded("The caller's deadline has passed.")
    return Cancelled("The client left before the answer was complete.")


class PublicHandlers(grpc.GenericRpcHandler):
    """Finds the method of a call. On the wire one message is a stream of one, so all are streams:

    a call is admitted before its first message is read.
    """

    def __init__(self, calls: PublicCalls, metrics: GatewayMetrics) -> None:
        self._calls = calls
        self._metrics = metrics
        self._drained = False
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            path: grpc.stream_stream_rpc_method_handler(self._behaviour(method))
            for path, method in METHODS.items()
        }
        self._unknown: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            self._behaviour(None)
        )

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler of a method, be it one that refuses."""
        return self._handlers.get(handler_call_details.method, self._unknown)

    def drained(self) -> None:
        """The time to drain is over: what is cancelled from now on is cancelled by us."""
        self._drained = True

    def _behaviour(self, method: Method | None) -> Behaviour:
        # A coroutine that writes, not a generator: it is cancelled as soon as the client leaves.
        async def behave(_: Any, context: Any) -> None:
            headers = headers_in(context)
            try:
                with tracing.span("GRPC", caller=headers):
                    await observed(context, headers)
            except grpc.aio.AbortError as aborted:
                raise bare(aborted) from None

        async def observed(context: Any, headers: Headers) -> None:
            exchange = Exchange(request_id_of(headers.get(REQUEST_ID_KEY, "")))
            wire = Wire(context, exchange, uploads=method is not None and method.uploads)
            token = current_request_id.set(exchange.request_id)
            status = _LEFT
            try:
                with self._metrics.in_progress.track_inprogress():
                    if method is None:
                        raise MethodNotAllowed(
                            "There is no such method. Reflection lists the services, and "
                            "docs/grpc.md tells of them."
                        )
                    await self._calls.answer(method, wire, headers, exchange)
                status = _OK
            except asyncio.CancelledError as cancelled:
                error = error_behind(cancelled) if self._drained else _left(wire)
                exchange.error, status = error.code or error.type, error.http_status
                raise
            except Exception as failure:
                error = error_behind(failure)
                exchange.error, status = error.code or error.type, error.http_status
                await wire.refuse(error)
            finally:
                for end in exchange.ended:
                    end()
                route = method.path if method else "unmatched"
                record(self._metrics, exchange, _GRPC, route, status)
                current_request_id.reset(token)

        return behave
