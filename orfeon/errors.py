"""What can go wrong with a call, as classes.

OrfeonError
|-- APIConnectionError          the gateway was not reached, or the connection broke
|   `-- APITimeoutError         it did not answer in time
`-- APIStatusError              it answered, with an error
    |-- BadRequestError         400, 415, 422
    |-- AuthenticationError     401
    |-- PermissionDeniedError   403
    |-- NotFoundError           404
    |-- ContentTooLargeError    413
    |-- RateLimitError          429
    `-- InternalServerError     500 and above
        `-- ServiceUnavailableError  503

The names are those of OpenAI's client where it has them.
"""

import math
from collections.abc import Mapping
from typing import Any

import httpx


class OrfeonError(Exception):
    """Any failure of a call to the gateway. `message` is one sentence for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class APIConnectionError(OrfeonError):
    """The gateway was not reached, or the connection broke."""


class APITimeoutError(APIConnectionError):
    """The gateway did not answer within the client's timeout."""


class APIStatusError(OrfeonError):
    """The gateway answered with an error.

    `status` is HTTP's; `type`, `code` and `param` (the field at fault) are the envelope's;
    `request_id` finds the request in the gateway's logs; `retry_after` is in seconds. Where the
    gateway tells: `queue_position` counts the requests that would go before, `estimated_wait` is
    the time until the turn would come, in seconds, and `progress` of a model's load is 0 to 1.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        queue_position: int | None = None,
        estimated_wait: float | None = None,
        progress: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.request_id = request_id
        self.retry_after = retry_after
        self.queue_position = queue_position
        self.estimated_wait = estimated_wait
        self.progress = progress


class BadRequestError(APIStatusError):
    """Something in the request has to change."""


class AuthenticationError(APIStatusError):
    """No API key, or one that is wrong, revoked or expired."""


class PermissionDeniedError(APIStatusError):
    """The key is good but may not do this."""


class NotFoundError(APIStatusError):
    """There is no such model or route."""


class ContentTooLargeError(APIStatusError):
    """More bytes or more seconds than the gateway accepts."""


class RateLimitError(APIStatusError):
    """The key has used up its rate, or the queue is full."""


class InternalServerError(APIStatusError):
    """The gateway or a service failed."""


class ServiceUnavailableError(InternalServerError):
    """The service is down, restarting, or still loading its model."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: ContentTooLargeError,
    415: BadRequestError,
    422: BadRequestError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}


#: The status that a kind of error has on HTTP, for where there is none.
_STATUSES = {
    "invalid_request_error": 400,
    "rate_limit_error": 429,
    "overloaded_error": 429,
    "service_unavailable_error": 503,
    "model_loading": 503,
    "timeout_error": 504,
}


def error_of_event(body: Mapping[str, Any], retry_after: float | None) -> APIStatusError:
    """The error that an event of a live stream stands for."""
    kind = str(body.get("type"))
    status = _STATUSES.get(kind, 500)
    return _BY_STATUS.get(status, InternalServerError)(
        str(body.get("message")),
        status=status,
        type=kind,
        code=body.get("code"),
        param=body.get("param"),
        retry_after=retry_after,
    )


def error_of(response: httpx.Response, retry_after: float | None = None) -> APIStatusError:
    """The error that a response stands for. Its body must have been read."""
    status = response.status_code
    try:
        body = response.json()["error"]
    except (ValueError, TypeError, KeyError):
        body = None
    if not isinstance(body, dict):
        # A proxy in front of the gateway, or no gateway at all.
        body = {"message": f"The server answered {status} {response.reason_phrase}."}
    position = _number(response.headers.get("x-queue-position"))
    milliseconds = _number(response.headers.get("x-queue-estimated-wait-ms"))
    kind = _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
    return kind(
        str(body.get("message")),
        status=status,
        type=body.get("type"),
        code=body.get("code"),
        param=body.get("param"),
        request_id=response.headers.get("x-request-id"),
        retry_after=retry_after,
        queue_position=None if position is None else int(position),
        estimated_wait=None if milliseconds is None else milliseconds / 1000,
        progress=_number(body.get("progress")),
    )


def _number(raw: Any) -> float | None:
    try:
        number = float(raw)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
