"""Bodies that come as JSON or, where a recording goes with them, as a form."""

import json
from collections.abc import AsyncIterator, Callable
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import Request

from gateway.guard import FORM, JSON
from gateway.openapi import REFERENCE
from gateway.schemas.fields import JsonRequest
from gateway.uploads import Recording
from services.runtime.errors import InvalidRequest

Body = TypeVar("Body", bound=JsonRequest)


def body_of(
    model: type[Body], file: str = "file"
) -> Callable[[Request], AsyncIterator[tuple[Body, Recording | None]]]:
    """A dependency that gives the body, and the recording in a form's field `file`, if any.

    Fields of a form that are no texts are written as in JSON. The recording is gone once the
    response has been sent.
    """

    async def read(request: Request) -> AsyncIterator[tuple[Body, Recording | None]]:
        try:
            yield await _read(request, model, file)
        finally:
            await request.close()

    return read


def documented(
    model: type[JsonRequest], meaning: str, examples: dict[str, Any], file: str = "file"
) -> dict[str, Any]:
    """How a route describes such a body to OpenAPI; `meaning` says what the recording is for."""
    schema = model.model_json_schema(ref_template=REFERENCE)
    recording = {"type": "string", "format": "binary", "description": meaning}
    form = {**schema, "properties": {**schema["properties"], file: recording}}
    content = {JSON: {"schema": schema, "examples": examples}, FORM: {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


async def _read(request: Request, model: type[Body], name: str) -> tuple[Body, Recording | None]:
    recording = None
    if request.headers.get("content-type", "").lower().startswith(FORM):
        fields: Any = dict(await request.form())
        file = fields.pop(name, None)
        if isinstance(file, UploadFile):
            recording = Recording(file, name)
        elif file is not None:
            raise InvalidRequest(f"{name} must be a file, with a name.", param=name)
        return form_model(model, fields), recording
    return _validated(model, await _json(request)), recording


def form_model(model: type[Body], fields: dict[str, Any]) -> Body:
    """The body that the fields of a form are. Raises `RequestValidationError`."""
    texts = {name for name, f in model.model_fields.items() if _is_text(f.annotation)}
    return _validated(
        model, {n: value if n in texts else _value(value) for n, value in fields.items()}
    )


def _validated(model: type[Body], fields: Any) -> Body:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from error


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is not valid JSON in UTF-8, or too deeply nested.") from None


def _is_text(annotation: Any) -> bool:
    """Whether a field may be a text: not one of few words, nor a list of texts."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return any(map(_is_text, get_args(annotation)))
    return annotation is str


def _value(value: Any) -> Any:
    """A number or a list, as it is written; what is none stays, to be refused or a word."""
    try:
        return json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return value
