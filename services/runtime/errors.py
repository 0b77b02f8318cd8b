"""Every way a request can fail, and what each is called on gRPC and on HTTP.

OrfeonError
|-- InvalidRequest            400  INVALID_ARGUMENT
|   |-- ContextLengthExceeded 400
|   |-- InvalidAudio          400
|   `-- UnsupportedMediaType  415
|-- ContentTooLarge           413  OUT_OF_RANGE
|-- InvalidApiKey             401  UNAUTHENTICATED
|-- MissingScope              403  PERMISSION_DENIED
|-- NotFound                  404  NOT_FOUND
|   `-- ModelNotFound         404
|-- MethodNotAllowed          405  UNIMPLEMENTED
|-- RateLimitExceeded         429  RESOURCE_EXHAUSTED  retryable
|-- Overloaded                429  RESOURCE_EXHAUSTED  retryable
|-- Cancelled                 499  CANCELLED
|-- DeadlineExceeded          504  DEADLINE_EXCEEDED
|-- InsufficientStorage       507  RESOURCE_EXHAUSTED
|-- ServiceUnavailable        503  UNAVAILABLE         retryable
|   |-- ModelLoading          503                      retryable
|   |-- ModelLoadFailed       503                      retryable
|   `-- OutOfMemory           503                      retryable
`-- Internal                  500  INTERNAL

Mistakes of the programmer are not in this tree: whatever else is raised becomes `Internal` at the
edge of the process, with a fixed sentence, so that nothing of ours leaks to a caller.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

#: What an error can tell in numbers: requests that would go before, seconds until the turn would
#: come, and how far a load is, 0 to 1.
QUEUE_POSITION, ESTIMATED_WAIT, PROGRESS = "queue_position", "estimated_wait", "progress"
FACTS = (QUEUE_POSITION, ESTIMATED_WAIT, PROGRESS)


class OrfeonError(Exception):
    """A failure with a name, a sentence that says what to change, and the field at fault.

    `grpc_code` is the name of a `grpc.StatusCode`; `retry_after` is in seconds; `facts` are
    numbers under the names of `FACTS`.
    """

    reason: ClassVar[str]
    grpc_code: ClassVar[str]
    http_status: ClassVar[int]
    type: ClassVar[str] = "invalid_request_error"
    code: ClassVar[str | None] = None
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        facts: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.facts = facts


class InvalidRequest(OrfeonError):
    """A field is missing, of the wrong kind or out of range."""

    reason = "INVALID_REQUEST"
    grpc_code = "INVALID_ARGUMENT"
    http_status = 400


class ContextLengthExceeded(InvalidRequest):
    """Prompt and answer do not fit the model's context."""

    reason = "CONTEXT_LENGTH_EXCEEDED"
    code = "context_length_exceeded"


class InvalidAudio(InvalidRequest):
    """The audio cannot be read."""

    reason = "INVALID_AUDIO"
    code = "invalid_audio"


class UnsupportedMediaType(InvalidRequest):
    """The body is of a media type that the route does not read."""

    reason = "UNSUPPORTED_MEDIA_TYPE"
    http_status = 415
    code = "unsupported_media_type"


class ContentTooLarge(OrfeonError):
    """More bytes or more seconds than the limit."""

    reason = "CONTENT_TOO_LARGE"
    grpc_code = "OUT_OF_RANGE"
    http_status = 413
    code = "content_too_large"


class InvalidApiKey(OrfeonError):
    """No API key, or one that is wrong, revoked or expired."""

    reason = "INVALID_API_KEY"
    grpc_code = "UNAUTHENTICATED"
    http_status = 401
    type = "authentication_error"
    code = "invalid_api_key"


class MissingScope(OrfeonError):
    """The key is good but may not do this."""

    reason = "MISSING_SCOPE"
    grpc_code = "PERMISSION_DENIED"
    http_status = 403
    type = "permission_error"
    code = "missing_scope"


class NotFound(OrfeonError):
    """There is no such thing."""

    reason = "NOT_FOUND"
    grpc_code = "NOT_FOUND"
    http_status = 404
    code = "not_found"


class ModelNotFound(NotFound):
    """There is no such model here."""

    reason = "MODEL_NOT_FOUND"
    code = "model_not_found"


class MethodNotAllowed(OrfeonError):
    """The route exists, the method does not."""

    reason = "METHOD_NOT_ALLOWED"
    grpc_code = "UNIMPLEMENTED"
    http_status = 405
    code = "method_not_allowed"


class RateLimitExceeded(OrfeonError):
    """The key has used up its rate."""

    reason = "RATE_LIMIT_EXCEEDED"
    grpc_code = "RESOURCE_EXHAUSTED"
    http_status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    retryable = True


class Overloaded(OrfeonError):
    """The queue is full."""

    reason = "OVERLOADED"
    grpc_code = "RESOURCE_EXHAUSTED"
    http_status = 429
    type = "overloaded_error"
    code = "overloaded"
    retryable = True


class Cancelled(OrfeonError):
    """The caller went away."""

    reason = "CANCELLED"
    grpc_code = "CANCELLED"
    http_status = 499
    code = "cancelled"


class DeadlineExceeded(OrfeonError):
    """The time allowed ran out, in the queue or at work."""

    reason = "DEADLINE_EXCEEDED"
    grpc_code = "DEADLINE_EXCEEDED"
    http_status = 504
    type = "timeout_error"
    code = "deadline_exceeded"


class InsufficientStorage(OrfeonError):
    """The disk is full."""

    reason = "INSUFFICIENT_STORAGE"
    grpc_code = "RESOURCE_EXHAUSTED"
    http_status = 507
    type = "server_error"
    code = "insufficient_storage"


class ServiceUnavailable(OrfeonError):
    """The service is down or restarting."""

    reason = "SERVICE_UNAVAILABLE"
    grpc_code = "UNAVAILABLE"
    http_status = 503
    type = "service_unavailable_error"
    code = "service_unavailable"
    retryable = True


class ModelLoading(ServiceUnavailable):
    """The model is still being read into memory."""

    reason = "MODEL_LOADING"
    type = "model_loading"
    code = "model_loading"


class ModelLoadFailed(ServiceUnavailable):
    """A model could not be loaded, or its load hung. The next request tries again."""

    reason = "MODEL_LOAD_FAILED"
    code = "model_load_failed"


class OutOfMemory(ServiceUnavailable):
    """A model does not fit the memory there is."""

    reason = "OUT_OF_MEMORY"
    code = "out_of_memory"


class Internal(OrfeonError):
    """A fault of ours."""

    reason = "INTERNAL"
    grpc_code = "INTERNAL"
    http_status = 500
    type = "server_error"
    code = "internal_error"


def _leaves(cls: type[OrfeonError]) -> list[type[OrfeonError]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _leaves(child))]


#: Every error class by its wire name.
BY_REASON: dict[str, type[OrfeonError]] = {cls.reason: cls for cls in _leaves(OrfeonError)[1:]}
