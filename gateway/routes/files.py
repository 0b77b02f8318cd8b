"""`/v1/files`: what is kept to train with, and what trainings leave."""

import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from gateway.exchange import exchange_of
from gateway.forms import FormField, FormFile, form_items
from gateway.gatekeeper import Gatekeeper
from gateway.guard import FORM, Guard
from gateway.openapi import REFERENCE, failures
from gateway.schemas.fields import Text
from gateway.schemas.files import DeletedFile, FileList, FileRequest, StoredFile
from gateway.streaming import FileStream
from gateway.trainingcalls import TrainingCalls
from gateway.trainings import file_config, file_of
from orfeon.api.training.v1 import training_pb2
from services.runtime.context import RequestContext
from services.runtime.errors import InvalidRequest

FILES = "/v1/files"
#: Bytes of a file that one message carries at most.
_MESSAGE_BYTES = 256 * 1024

EXAMPLE: StoredFile = {
    "id": "file-5f0c9a41d2c84e6b9d5a3f6e",
    "object": "file",
    "bytes": 24_117_248,
    "created_at": 1_790_000_000,
    "filename": "voices.zip",
    "purpose": "fine-tune",
    "status": "processed",
}
_ONE: dict[str, Any] = {"content": {"application/json": {"example": EXAMPLE}}}
_LIST: dict[str, Any] = {
    "content": {
        "application/json": {
            "example": {
                "object": "list",
                "data": [EXAMPLE],
                "first_id": EXAMPLE["id"],
                "last_id": EXAMPLE["id"],
                "has_more": False,
            }
        }
    }
}
_GONE: dict[str, Any] = {
    "content": {
        "application/json": {"example": {"id": EXAMPLE["id"], "object": "file", "deleted": True}}
    }
}
_BYTES: dict[str, Any] = {
    "description": "The file.",
    "content": {
        "application/octet-stream": {
            "schema": {"type": "string", "format": "binary"},
            "example": "(the file)",
        }
    },
}
_FAILURES = failures(400, 401, 403, 404, 500, 503, 504)

FileId = Annotated[Text, Path(alias="file_id", max_length=100, description="The file's id.")]


def _documented() -> dict[str, Any]:
    """How the upload's form is described to OpenAPI."""
    schema = FileRequest.model_json_schema(ref_template=REFERENCE)
    file = {"type": "string", "format": "binary", "description": "A zip or tar.gz of recordings."}
    properties = {"file": file, **schema["properties"]}
    form = {**schema, "properties": properties, "required": ["file", "purpose"]}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": form}}}}


def files_router(gatekeeper: Gatekeeper, trainings: TrainingCalls) -> APIRouter:
    """The routes of files."""
    router = APIRouter()
    sending = APIRouter(
        tags=["files"], route_class=Guard(gatekeeper, "training", "streamed form").route_class()
    )
    looking = APIRouter(tags=["files"], route_class=Guard(gatekeeper, "training").route_class())

    def context_of(request: Request) -> RequestContext:
        return gatekeeper.context(exchange_of(request.scope))

    @sending.post(
        FILES,
        summary="Upload a file",
        response_model=StoredFile,
        responses={200: _ONE, **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504, 507)},
        openapi_extra=_documented(),
    )
    async def create_file(request: Request) -> StoredFile:
        """A file to train with, in its owner's keeping until it is deleted or expires."""
        # As long as it keeps coming.
        context = replace(context_of(request), deadline=None)
        return file_of(await trainings.upload(_messages(request), context))

    @looking.get(
        FILES,
        summary="List files",
        response_model=FileList,
        responses={200: _LIST, **_FAILURES},
    )
    async def list_files(
        request: Request,
        purpose: Annotated[Text, Query(max_length=40)] = "",
        limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
        order: Literal["asc", "desc"] = "desc",
        after: Annotated[
            Text, Query(max_length=100, description="Those after this file in the list.")
        ] = "",
    ) -> FileList:
        """The files of the key that asks."""
        asked = training_pb2.ListFilesRequest(
            purpose=purpose, limit=limit, after=after, ascending=order == "asc"
        )
        page = await trainings.files(asked, context_of(request))
        data = [file_of(file) for file in page.files]
        return {
            "object": "list",
            "data": data,
            "first_id": data[0]["id"] if data else "",
            "last_id": data[-1]["id"] if data else "",
            "has_more": page.has_more,
        }

    @looking.get(
        "/v1/files/{file_id}",
        summary="Show a file",
        response_model=StoredFile,
        responses={200: _ONE, **_FAILURES},
    )
    async def show_file(request: Request, file: FileId) -> StoredFile:
        """What is known of a file."""
        return file_of(await trainings.file(file, context_of(request)))

    @looking.get(
        "/v1/files/{file_id}/content",
        summary="Fetch a file",
        response_class=Response,
        responses={200: _BYTES, **_FAILURES},
    )
    async def fetch_file(request: Request, file: FileId) -> Response:
        """The bytes of a file."""
        pieces = trainings.read(file, context_of(request))
        found = (await anext(pieces)).file
        name = urllib.parse.quote(found.filename)
        stream = FileStream(_data(pieces), "application/octet-stream", found.bytes)
        stream.headers["content-disposition"] = f"attachment; filename*=UTF-8''{name}"
        return stream

    @looking.delete(
        "/v1/files/{file_id}",
        summary="Delete a file",
        response_model=DeletedFile,
        responses={200: _GONE, **_FAILURES},
    )
    async def delete_file(request: Request, file: FileId) -> DeletedFile:
        """Removes a file, unless a job that has not ended needs it."""
        await trainings.delete(file, context_of(request))
        return {"id": file, "object": "file", "deleted": True}

    for part in (sending, looking):
        router.routes.extend(part.routes)
    return router


async def _messages(request: Request) -> AsyncIterator[training_pb2.UploadFileRequest]:
    """The form of an upload as messages, its file's bytes as they come. Raises `OrfeonError`."""
    fields: dict[str, Any] = {}
    filename: str | None = None
    inside = False
    async with aclosing(form_items(request)) as items:
        async for item in items:
            if isinstance(item, bytes):
                if inside:
                    for start in range(0, len(item), _MESSAGE_BYTES):
                        yield training_pb2.UploadFileRequest(
                            data=item[start : start + _MESSAGE_BYTES]
                        )
            elif isinstance(item, FormFile):
                inside = item.name == "file"
                if inside and filename is not None:
                    raise InvalidRequest("Send one file at a time.", param="file")
                filename = item.filename if inside else filename
            else:
                _take(item, fields)
    if filename is None:
        raise InvalidRequest("Required field file is missing; send it with a name.", param="file")
    try:
        body = FileRequest.model_validate(fields)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from error
    # Where a client sends a path, its last part is the name.
    name = filename.replace("\\", "/").rpartition("/")[2]
    yield training_pb2.UploadFileRequest(config=file_config(body, name))


def _take(field: FormField, fields: dict[str, Any]) -> None:
    """Puts a field of the form where it belongs: OpenAI's client sends `expires_after[anchor]`."""
    name, bracket, inner = field.name.partition("[")
    if not bracket:
        fields[name] = field.value
    elif isinstance(fields.setdefault(name, {}), dict):
        fields[name][inner.removesuffix("]")] = field.value


async def _data(
    pieces: AsyncGenerator[training_pb2.ReadFileResponse, None],
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece.data
