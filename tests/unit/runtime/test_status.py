"""What a failed call stands for."""

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from services.runtime.errors import Internal, OrfeonError, ServiceUnavailable
from services.runtime.status import error_of


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        # As gRPC's asyncio says it where the other end goes away while something is sent.
        (
            'Internal error from Core Failed "execute_batch": (SendMessageOperation,)',
            ServiceUnavailable,
        ),
        ("Received RST_STREAM with error code 2", Internal),
        (None, Internal),
    ],
)
def test_who_is_gone_while_something_is_sent_is_unavailable(
    said: str | None, kind: type[OrfeonError]
) -> None:
    failure = AioRpcError(grpc.StatusCode.INTERNAL, Metadata(), Metadata(), details=said)
    assert type(error_of(failure)) is kind


def test_a_call_that_the_server_cancels_as_it_stops_is_unavailable() -> None:
    failure = AioRpcError(grpc.StatusCode.CANCELLED, Metadata(), Metadata(), details="CANCELLED")
    error = error_of(failure)
    assert type(error) is ServiceUnavailable
    assert error.retry_after == 1.0
