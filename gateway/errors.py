"""The one place that turns a failure, whatever it is, into OpenAI's error envelope."""

import asyncio
import json
import logging
import math
from collections.abc import Sequence
from typing import Any, NotRequired

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from typing_extensions import TypedDict

from gateway.exchange import exchange_of
from services.runtime.errors import (
    ESTIMATED_WAIT,
    PROGRESS,
    QUEUE_POSITION,
    Cancelled,
    ContentTooLarge,
    Internal,
    InvalidApiKey,
    InvalidRequest,
    MethodNotAllowed,
    ModelLoading,
    NotFound,
    OrfeonError,
    ServiceUnavailable,
    UnsupportedMediaType,
)

log = logging.getLogger(__name__)

UNEXPECTED = "The server failed to answer. The failure has been logged under this request's id."

_BY_STATUS: dict[int, tuple[type[OrfeonError], str]] = {
    404: (NotFound, "There is no such route. GET /openapi.json lists them."),
    405: (MethodNotAllowed, "This route does not take this method; see the header `allow`."),
    413: (ContentTooLarge, "The body is too large."),
    415: (UnsupportedMediaType, "This route does not read bodies of this media type."),
}

#: What pydantic says of lengths: in which words we say it, and where it says the bound.
_SIZES = {
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
}

#: What pydantic says of a body or a field that is no object, and of a body whose content-type says
#: that it is no JSON.
_NO_OBJECT = {"model_attributes_type", "model_type", "dict_type"}

#: What pydantic says of a file field that came as text, or not at all.
_NOT_A_FILE = "must be an uploaded file: a form part with a filename"


class ErrorBody(TypedDict):
    """What went wrong. `code` is for programs, `message` says what to change.

    `progress` is how far a load has come, 0 to 1: for `model_loading` alone.
    """

    message: str
    type: str
    param: str | None
    code: str | None
    progress: NotRequired[float]


class ErrorEnvelope(TypedDict):
    """Every failure, of whatever kind, is answered in this shape."""

    error: ErrorBody


def envelope(error: OrfeonError) -> ErrorEnvelope:
    """The body that stands for an error."""
    body: ErrorBody = {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code,
    }
    if isinstance(error, ModelLoading) and PROGRESS in error.facts:
        body["progress"] = min(max(error.facts[PROGRESS], 0.0), 1.0)
    return {"error": body}


def headers_of(error: OrfeonError) -> dict[str, str]:
    """The headers that go with an error's body."""
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
        headers["retry-after-ms"] = _milliseconds(error.retry_after)
    if QUEUE_POSITION in error.facts:
        headers["x-queue-position"] = str(int(error.facts[QUEUE_POSITION]))
    if ESTIMATED_WAIT in error.facts:
        headers["x-queue-estimated-wait-ms"] = _milliseconds(error.facts[ESTIMATED_WAIT])
    if isinstance(error, InvalidApiKey):
        headers["www-authenticate"] = "Bearer"
    return headers


def _milliseconds(seconds: float) -> str:
    return str(max(0, math.ceil(seconds * 1000)))


def response_of(error: OrfeonError) -> Response:
    """The response that stands for an error."""
    return Response(
        json.dumps(envelope(error)),
        error.http_status,
        headers_of(error),
        media_type="application/json",
    )


def error_behind(failure: BaseException) -> OrfeonError:
    """The error that a caller hears of, for whatever was raised. Logs what is a fault of ours."""
    if isinstance(failure, OrfeonError):
        return failure
    if isinstance(failure, asyncio.CancelledError):
        # Of a client that leaves there is an error; what else is cancelled has outlasted the drain.
        return ServiceUnavailable(
            "The gateway has stopped before the answer was complete; ask again.", retry_after=1.0
        )
    if isinstance(failure, RequestValidationError):
        return _invalid(failure.errors())
    if isinstance(failure, HTTPException):
        if failure.status_code == 400:
            return _unread(str(failure.detail))
        cls, sentence = _BY_STATUS.get(failure.status_code, (InvalidRequest, failure.detail))
        if failure.status_code < 500:
            return cls(sentence)
    if isinstance(failure, ClientDisconnect):
        return Cancelled("The client left before the request was complete.")
    log.error("unexpected failure", exc_info=failure)
    return Internal(UNEXPECTED)


def install(app: FastAPI) -> None:
    """Makes `app` answer every exception that its routes raise in the envelope."""

    async def answer(request: Request, failure: Exception) -> Response:
        error = error_behind(failure)
        exchange_of(request.scope).error = error.code or error.type
        response = response_of(error)
        if isinstance(failure, HTTPException) and failure.headers:
            response.headers.update(failure.headers)
        return response

    for kind in (OrfeonError, RequestValidationError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, answer)


def _unread(detail: str) -> OrfeonError:
    """A body that could not be read at all; `detail` is what the framework says of it."""
    if detail.startswith("Part exceeded"):
        return ContentTooLarge("A field of the form is too large; only files may be.")
    if detail.startswith("Too many"):
        _, _, most = detail.partition(". ")
        return InvalidRequest(f"The form has too many parts. {most or 'Send fewer.'}")
    return InvalidRequest(
        "The body cannot be read. Send JSON in UTF-8, not deeply nested, or a complete form whose "
        "boundary is the one that its content-type names."
    )


def _invalid(errors: Sequence[Any]) -> InvalidRequest:
    """The first fault that validation found, without the value that was at fault."""
    first = errors[0]
    kind = first["type"]
    if kind == "json_invalid":
        return InvalidRequest("The body is not valid JSON.")
    place, *path = first["loc"]
    param = _param(path) or None
    if kind == "value_error" and isinstance(first.get("ctx", {}).get("error"), ValueError):
        sentence = str(first["ctx"]["error"])
        if sentence.startswith("Expected UploadFile"):
            # Of one file alone nobody thinks as the first of several.
            param = (param or "").removesuffix("[0]")
            sentence = f"{param} {_NOT_A_FILE}."
        return InvalidRequest(sentence, param=param)
    if kind in _NO_OBJECT:
        if param is not None:
            return InvalidRequest(f"{param} must be a JSON object.", param=param)
        return InvalidRequest(
            "The body must be a JSON object, sent with the header `content-type: application/json`."
        )
    if kind == "missing":
        what = f"Required field {param} is missing." if param else f"The {place} is missing."
        return InvalidRequest(what, param=param)
    if kind in _SIZES:
        bound, limit = _SIZES[kind]
        noun = "characters" if isinstance(first.get("input"), str) else "items"
        sentence = f"{param} must have {bound} {first['ctx'][limit]} {noun}."
        return InvalidRequest(sentence, param=param)
    return InvalidRequest(f"{param or 'The body'}: {first['msg']}.", param=param)


def _param(path: Sequence[str | int]) -> str:
    """`messages[0].content`, of the place that pydantic names, less its names of union members."""
    param = ""
    for part in path:
        if isinstance(part, int):
            param += f"[{part}]"
        elif part.isidentifier() or part.endswith("[]"):
            param += f".{part}" if param else part
    return param
