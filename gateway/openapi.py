"""What /openapi.json says beyond what FastAPI finds out by itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from gateway.errors import ErrorEnvelope

#: Where a schema refers to others.
REFERENCE = "#/components/schemas/{model}"

DESCRIPTION = """\
Chat, lyrics, speech, emotion, melodies, songs and images in OpenAI's manner, on premises: point
OpenAI's own client here.

Every failure is answered in one envelope, `{"error": {message, type, param, code}}`. Every response
carries `x-request-id`. Urgency is 0 (urgent), 1 (normal) or 2 (background), lower is sooner. A
WebSocket, `/v1/audio/classifications/stream`, tells the emotion in samples as they are spoken.
"""

_MEANING: dict[int, tuple[str, str, str]] = {
    400: ("invalid_request_error", "", "A field is missing, of the wrong kind or out of range."),
    401: ("authentication_error", "invalid_api_key", "This API key is wrong, revoked or expired."),
    403: ("permission_error", "missing_scope", "This API key lacks the scope this route needs."),
    404: ("invalid_request_error", "model_not_found", "There is no such model here."),
    413: ("invalid_request_error", "content_too_large", "The body is larger than the limit."),
    415: ("invalid_request_error", "unsupported_media_type", "Send the body as this route reads."),
    429: ("rate_limit_error", "rate_limit_exceeded", "The key has used up its rate; wait."),
    500: ("server_error", "internal_error", "The server failed to answer."),
    503: ("service_unavailable_error", "service_unavailable", "The service is down or restarting."),
    504: ("timeout_error", "deadline_exceeded", "The request did not finish in the time allowed."),
    507: ("server_error", "insufficient_storage", "The disk that files are kept on is full."),
}

_EXAMPLES = {
    str(status): {"error": {"message": message, "type": kind, "param": None, "code": code or None}}
    for status, (kind, code, message) in _MEANING.items()
}

_FAILURES: dict[int, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {
            "application/json": {"schema": {"$ref": REFERENCE.format(model=ErrorEnvelope.__name__)}}
        },
    }
    for status, (_, _, description) in _MEANING.items()
}

#: The other form of a 200 that can be streamed.
EVENTS: dict[str, Any] = {
    "description": "The answer; with `stream`, server-sent events.",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": "data: {...}\n\ndata: [DONE]\n\n",
        }
    },
}


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route documents the statuses it can fail with."""
    # FastAPI would make a validator of each of them, five hundred together, if it got the model.
    return {status: _FAILURES[status] for status in statuses}


def install(app: FastAPI) -> None:
    """Makes `app` describe itself as it behaves: validation fails with 400, keys are bearers."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            _correct(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _correct(schema: dict[str, Any]) -> None:
    schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for operations in schema["paths"].values():
        for operation in operations.values():
            # What a body refers to that we described ourselves.
            for body in operation.get("requestBody", {}).get("content", {}).values():
                schema["components"]["schemas"] |= body["schema"].pop("$defs", {})
            # FastAPI documents its own 422, which the gateway never sends.
            operation["responses"].pop("422", None)
            for status in operation["responses"].keys() & _EXAMPLES.keys():
                # FastAPI would leave the nulls out.
                content = operation["responses"][status]["content"]["application/json"]
                content["example"] = _EXAMPLES[status]
            if "401" in operation["responses"]:
                operation["security"] = [{"key": []}]
    envelope = TypeAdapter(ErrorEnvelope).json_schema(ref_template=REFERENCE)
    schema["components"]["schemas"] |= envelope.pop("$defs")
    schema["components"]["schemas"][ErrorEnvelope.__name__] = envelope
    for name in ("HTTPValidationError", "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
