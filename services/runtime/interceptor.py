"""Wraps every call of a container: request id, one log line, metrics, and errors as status."""

from __future__ import annotations  # RpcMethodHandler takes type arguments in stubs only.

import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc

from services.runtime import tracing
from services.runtime.context import context_of, current_request_id
from services.runtime.errors import Internal, OrfeonError
from services.runtime.status import DETAILS_KEY, bare, code_of, details_of
from services.runtime.telemetry import ServiceMetrics

log = logging.getLogger(__name__)

#: The least HTTP status that says that the fault is ours.
_FAULT = 500

#: Asked for often and by machines; logging and counting them would bury the rest.
_UNOBSERVED = ("/grpc.health.", "/grpc.reflection.")

#: Asked by gateways, and by whoever watches a queue, every few seconds.
_QUIET = {"ListModels", "ListQueue"}

Handler = Callable[[Any, Any], Any]


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Lets servicers raise `OrfeonError`, and turns whatever else they raise into `Internal`."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self._metrics = metrics

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Replaces the method's handler by one that is watched."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(_UNOBSERVED):
            return handler
        method = handler_call_details.method.rpartition("/")[2]
        if handler.response_streaming:
            factory = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            behaviour = handler.stream_stream or handler.unary_stream
            wrapped = self._streaming(method, behaviour)
        else:
            factory = (
                grpc.stream_unary_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_unary_rpc_method_handler
            )
            wrapped = self._single(method, handler.stream_unary or handler.unary_unary)
        return factory(
            wrapped,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _single(self, method: str, behaviour: Any) -> Handler:
        async def call(request: Any, context: Any) -> Any:
            try:
                async with self._traced(method, context), self._watched(method, context):
                    return await behaviour(request, context)
            except grpc.aio.AbortError as aborted:
                del request
                raise bare(aborted) from None

        return call

    def _streaming(self, method: str, behaviour: Any) -> Handler:
        assert inspect.isasyncgenfunction(behaviour), f"{method} must be an async generator"

        # A coroutine that writes, not a generator: when the caller leaves, gRPC cancels the
        # coroutine at once, while a generator would be left hanging until it is collected.
        async def call(request: Any, context: Any) -> None:
            try:
                async with (
                    self._traced(method, context),
                    self._watched(method, context),
                    aclosing(behaviour(request, context)) as responses,
                ):
                    async for response in responses:
                        await context.write(response)
            except grpc.aio.AbortError as aborted:
                del request
                raise bare(aborted) from None

        return call

    @asynccontextmanager
    async def _traced(self, method: str, context: Any) -> AsyncIterator[None]:
        if method in _QUIET:
            yield
            return
        headers = {
            name: value
            for name, value in context.invocation_metadata() or ()
            if isinstance(value, str)
        }
        with tracing.span(method, caller=headers):
            yield

    @asynccontextmanager
    async def _watched(self, method: str, context: Any) -> AsyncIterator[None]:
        began = time.monotonic()
        priority, outcome, failed = -1, "CANCELLED", False
        token, request_id = None, ""
        try:
            request = context_of(context)
            priority, request_id = request.priority, request.request_id
            token = current_request_id.set(request_id)
            yield
            outcome = "ok"
        except OrfeonError as error:
            outcome, failed = error.reason, error.http_status >= _FAULT
            await _abort(context, error)
        except grpc.aio.AbortError:
            outcome, failed = "INTERNAL", True
            raise
        except Exception:
            outcome, failed = "INTERNAL", True
            log.exception("call failed", extra={"method": method})
            await _abort(context, Internal("Something went wrong here. It has been logged."))
        finally:
            seconds = time.monotonic() - began
            self._metrics.answered(method, priority, seconds, outcome)
            described: dict[str, str | int] = {
                "orfeon.request_id": request_id,
                "orfeon.priority": priority,
                "orfeon.outcome": outcome,
            }
            tracing.describe(described, failed=failed)
            log.log(
                logging.DEBUG if method in _QUIET else logging.INFO,
                "call ended",
                extra={
                    "method": method,
                    "priority": priority,
                    "outcome": outcome,
                    "seconds": round(seconds, 4),
                },
            )
            if token is not None:
                current_request_id.reset(token)


async def _abort(context: Any, error: OrfeonError) -> None:
    trailers = ((DETAILS_KEY, details_of(error)),)
    await context.abort(code_of(error), error.message, trailing_metadata=trailers)
