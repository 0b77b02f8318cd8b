import pytest
from tritonclient.utils import InferenceServerException

from services.runtime.errors import (
    DeadlineExceeded,
    Internal,
    InvalidAudio,
    InvalidRequest,
    ModelLoading,
    OrfeonError,
    Overloaded,
    ServiceUnavailable,
)
from services.runtime.triton.failures import error_of, sent


@pytest.mark.parametrize(
    ("message", "status", "cls"),
    [
        (sent(InvalidAudio("The audio holds no samples.")), "INVALID_ARGUMENT", InvalidAudio),
        ("Exceeds maximum queue size", "UNAVAILABLE", Overloaded),
        ("Request timeout expired", "UNAVAILABLE", DeadlineExceeded),
        ("Deadline Exceeded", "DEADLINE_EXCEEDED", DeadlineExceeded),
        ("Request for unknown model: 'x' is not found", "NOT_FOUND", ModelLoading),
        ("Request for unknown model: 'x' has no available versions", "UNAVAILABLE", ModelLoading),
        ("failed to connect to all addresses", "UNAVAILABLE", ServiceUnavailable),
        ("CANCELLED", "CANCELLED", ServiceUnavailable),
        ("Stub process 'x_0_0' is not healthy.", "INTERNAL", ServiceUnavailable),
        ("Unable to find shared memory region: 'x'", "INVALID_ARGUMENT", ServiceUnavailable),
        ("inference input 'X' data-type is 'INT32', but", "INVALID_ARGUMENT", InvalidRequest),
        ("unexpected inference input 'Y' for model 'x'", "INVALID_ARGUMENT", InvalidRequest),
        ("expected 2 inputs but got 1 inputs for model 'x'", "INVALID_ARGUMENT", InvalidRequest),
        ("Traceback: /secret/path", "INTERNAL", Internal),
    ],
)
def test_what_befalls_a_request_keeps_its_meaning(
    message: str, status: str, cls: type[OrfeonError]
) -> None:
    error = error_of(InferenceServerException(message, f"StatusCode.{status}"))
    assert type(error) is cls
    assert "/secret" not in error.message
    assert (error.retry_after is not None) == cls.retryable
