"""What a service keeps of a request that it has refused: nothing."""

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from services.runtime.errors import InvalidRequest
from services.runtime.interceptor import CallInterceptor
from services.runtime.telemetry import ServiceMetrics


class Request:
    """As large as it likes."""


@pytest.fixture
def no_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def one(request: Any, context: Any) -> bytes:
    raise InvalidRequest("Ask for something else.")


async def many(request: Any, context: Any) -> AsyncIterator[bytes]:
    raise InvalidRequest("Ask for something else.")
    yield b""


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("method", ["One", "Many"])
async def test_a_refused_request_goes_at_once(method: str) -> None:
    seen: list[weakref.ref[Request]] = []

    def read(_: bytes) -> Request:
        request = Request()
        seen.append(weakref.ref(request))
        return request

    server = grpc.aio.server(interceptors=[CallInterceptor(ServiceMetrics("test", "1"))])
    methods: dict[str, Any] = {
        "One": grpc.unary_unary_rpc_method_handler(one, read),
        "Many": grpc.unary_stream_rpc_method_handler(many, read),
    }
    handler = grpc.method_handlers_generic_handler("test.Test", methods)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        begin: Any = channel.unary_unary if method == "One" else channel.unary_stream
        call = begin(f"/test.Test/{method}")(b"")
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT
    await server.stop(1)
    assert [request() for request in seen] == [None]
