"""Bodies that come as JSON or, where a recording goes with them, as a form."""

import json
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


async def body_of(request: Request, model: type[Body]) -> tuple[Body, Recording | None]:
    """The body, and the recording in the form's field `file`, if there is one.

    Fields of a form that are no texts are written as in JSON.
    Raises `RequestValidationError` and `InvalidRequest`.
    """
    recording = None
    if request.headers.get("content-type", "").lower().startswith(FORM):
        fields: Any = dict(await request.form())
        file = fields.pop("file", None)
        if isinstance(file, UploadFile):
            recording = Recording(file)
        elif file is not None:
            raise InvalidRequest("file must be a file, with a name.", param="file")
        for name, field in model.model_fields.items():
            if name in fields and not _is_text(field.annotation):
                fields[name] = _read(fields[name])
    else:
        fields = await _json(request)
    try:
        return model.model_validate(fields), recording
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from error


def documented(model: type[JsonRequest], file: str, examples: dict[str, Any]) -> dict[str, Any]:
    """How a route describes such a body to OpenAPI; `file` says what the recording is for."""
    schema = model.model_json_schema(ref_template=REFERENCE)
    recording = {"type": "string", "format": "binary", "description": file}
    form = {**schema, "properties": {**schema["properties"], "file": recording}}
    content = {JSON: {"schema": schema, "examples": examples}, FORM: {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


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


def _read(value: Any) -> Any:
    """A number or a list, as it is written; what is none stays, to be refused or a word."""
    try:
        return json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return value
