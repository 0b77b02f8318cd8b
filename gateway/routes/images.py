"""`/v1/images/generations`, `/edits` and `/variations`, and the images that are kept."""

import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Request
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, Response

from gateway.bodies import form_model
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import FORM, Guard
from gateway.openapi import REFERENCE, failures
from gateway.paintings import (
    Events,
    edit_of,
    generation_of,
    streamed,
    variation_of,
    whole,
)
from gateway.retry import Retries
from gateway.schemas.fields import JsonRequest, Text
from gateway.schemas.painting import (
    EditRequest,
    GenerationRequest,
    ImagesResponse,
    PaintingRequest,
    VariationRequest,
)
from gateway.streaming import EventStream, FileStream, while_connected
from gateway.upstreams import Upstreams
from orfeon.api.images.v1 import images_pb2
from services.runtime.connection import answers
from services.runtime.context import RequestContext
from services.runtime.errors import ContentTooLarge, InvalidRequest

FILES = "/v1/images/files"
#: Files of a form, and the most bytes of each.
_IMAGE, _MASK = "image", "mask"
_MOST_BYTES = {_IMAGE: 10_000_000, _MASK: 4_000_000}
#: OpenAI takes as many pictures; who sends several is told that we take one.
_MOST_FILES = 17
#: Seconds that reading a file may take.
_READING = 60.0

_EXAMPLE: ImagesResponse = {
    "created": 1_790_000_000,
    "model": "sdxl-turbo",
    "background": "opaque",
    "output_format": "png",
    "size": "512x512",
    "steps": 1,
    "data": [{"b64_json": "iVBORw0KGgo...", "seed": 7}],
}
_IMAGES: dict[str, Any] = {
    "description": "The images; with `stream`, server-sent events.",
    "content": {
        "application/json": {"example": _EXAMPLE},
        "text/event-stream": {
            "schema": {"type": "string"},
            "example": 'data: {"type":"image_generation.completed",...}\n\ndata: [DONE]\n\n',
        },
    },
}
_EXAMPLES = {
    "cat": {
        "summary": "Two small pictures, to be fetched",
        "value": {
            "prompt": "a cat that reads a newspaper",
            "n": 2,
            "size": "512x512",
            "response_format": "url",
        },
    }
}
_FILE: dict[str, Any] = {
    "description": "The file.",
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}, "example": "(the file)"}
        for kind in ("image/png", "image/jpeg", "image/webp")
    },
}
_FAILURES = failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504, 507)


def images_router(
    gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries, public_url: str
) -> APIRouter:
    """The routes of images. `public_url` is where clients find the gateway; where it is empty, they
    are told the address that they used.
    """
    router = APIRouter(tags=["images"])
    asking = APIRouter(
        tags=["images"], route_class=Guard(gatekeeper, "images", "json").route_class()
    )
    guard = Guard(gatekeeper, "images", "form", files=_MOST_FILES)
    sending = APIRouter(tags=["images"], route_class=guard.route_class())

    async def answered(
        request: Request,
        body: PaintingRequest,
        kind: str,
        begin: Callable[[RequestContext], AsyncIterable[Any]],
    ) -> Response:
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        if body.stream:
            return EventStream(
                retries.pieces(
                    "images", context, lambda: streamed(_events(begin(context)), body, kind)
                )
            )
        base = public_url.rstrip("/") or str(request.base_url).rstrip("/")

        async def ask() -> ImagesResponse:
            return await whole(_events(begin(context)), body, lambda name: f"{base}{FILES}/{name}")

        async with while_connected(request.receive):
            made = await retries.whole("images", context, ask)
        return JSONResponse(made)

    @asking.post(
        "/v1/images/generations",
        summary="Make images from words",
        response_model=ImagesResponse,
        responses={200: _IMAGES, **_FAILURES},
    )
    async def create_image(
        request: Request,
        body: Annotated[GenerationRequest, Body(openapi_examples=_EXAMPLES)],
    ) -> Response:
        """Images that a prompt describes."""
        asked = generation_of(body)
        return await answered(
            request, body, "image_generation",
            lambda context: upstreams.images.Generate(asked, **_call(context)),
        )  # fmt: skip

    @sending.post(
        "/v1/images/edits",
        summary="Change a picture",
        response_model=ImagesResponse,
        responses={200: _IMAGES, **_FAILURES},
        openapi_extra=_documented(EditRequest, _IMAGE, _MASK),
    )
    async def edit_image(
        request: Request,
        sent: Annotated[tuple[EditRequest, dict[str, bytes]], Depends(_sent(EditRequest))],
    ) -> Response:
        """A picture, made anew where it or a mask of the same size is transparent; all of it where
        nothing is.
        """
        body, pictures = sent
        asked = edit_of(body, pictures)
        return await answered(
            request, body, "image_edit",
            lambda context: upstreams.images.Edit(asked, **_call(context)),
        )  # fmt: skip

    @sending.post(
        "/v1/images/variations",
        summary="Make images like a picture",
        response_model=ImagesResponse,
        responses={200: _IMAGES, **_FAILURES},
        openapi_extra=_documented(VariationRequest, _IMAGE),
    )
    async def vary_image(
        request: Request,
        sent: Annotated[
            tuple[VariationRequest, dict[str, bytes]], Depends(_sent(VariationRequest))
        ],
    ) -> Response:
        """Images like a picture."""
        body, pictures = sent
        asked = variation_of(body, pictures)
        return await answered(
            request, body, "image_variation",
            lambda context: upstreams.images.Vary(asked, **_call(context)),
        )  # fmt: skip

    @router.get(
        FILES + "/{file_id}",
        summary="Fetch an image",
        response_class=Response,
        responses={200: _FILE, **failures(400, 404, 500, 503, 504)},
    )
    async def fetch_image(
        request: Request,
        file: Annotated[Text, Path(alias="file_id", max_length=100, description="The file's id.")],
    ) -> Response:
        """An image that was asked for as a URL, without a key: the address is the secret."""
        context = RequestContext(
            exchange_of(request.scope).request_id, deadline=time.monotonic() + _READING
        )
        asked = images_pb2.GetFileRequest(file_id=file)
        pieces = retries.pieces(
            "images", context, lambda: answers(upstreams.images.GetFile(asked, **_call(context)))
        )
        info = (await anext(pieces)).file
        stream = FileStream(_data(pieces), info.media_type, info.size)
        left = max(0, info.expires_at - int(time.time()))
        stream.headers["cache-control"] = f"private, max-age={left}, immutable"
        stream.headers["x-content-type-options"] = "nosniff"
        return stream

    for part in (asking, sending):
        router.routes.extend(part.routes)
    return router


def _call(context: RequestContext) -> dict[str, Any]:
    return {"metadata": context.metadata(), "timeout": context.timeout()}


async def _events(call: AsyncIterable[Any]) -> Events:
    async with aclosing(answers(call)) as responses:
        async for response in responses:
            yield response.event


async def _data(
    pieces: AsyncGenerator[images_pb2.GetFileResponse, None],
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece.data


def _sent(model: type[Any]) -> Callable[[Request], Any]:
    """A dependency that gives the body of a form, and its pictures by field."""

    async def read(request: Request) -> tuple[Any, dict[str, bytes]]:
        async with request.form() as form:
            # OpenAI's client calls the first of several `image[]`.
            fields = [(name.removesuffix("[]"), value) for name, value in form.multi_items()]
            pictures: dict[str, bytes] = {}
            for name, value in fields:
                if name in pictures:
                    raise InvalidRequest(f"Send one {name}; this takes no more.", param=name)
                if name in _MOST_BYTES:
                    pictures[name] = await _picture(name, value)
        if _IMAGE not in pictures:
            raise InvalidRequest("Required field image is missing.", param=_IMAGE)
        texts = {name: value for name, value in fields if name not in pictures}
        return form_model(model, texts), pictures

    return read


async def _picture(name: str, value: UploadFile | str) -> bytes:
    if isinstance(value, str):
        raise InvalidRequest(f"{name} must be a file, with a name.", param=name)
    most = _MOST_BYTES[name]
    if (value.size or 0) > most:
        raise ContentTooLarge(f"{name} is larger than the limit of {most:,} bytes.", param=name)
    data = await value.read()
    if not data:
        raise InvalidRequest(f"{name} is an empty file.", param=name)
    return data


def _documented(model: type[JsonRequest], *files: str) -> dict[str, Any]:
    """How a form with pictures is described to OpenAPI."""
    meanings = {
        _IMAGE: "A PNG, JPEG or WebP of at most 10 MB.",
        _MASK: "A PNG or WebP of the same size, transparent where the picture is to change.",
    }
    schema = model.model_json_schema(ref_template=REFERENCE)
    pictures = {
        name: {"type": "string", "format": "binary", "description": meanings[name]}
        for name in files
    }
    form = {
        **schema,
        "properties": {**pictures, **schema["properties"]},
        "required": [_IMAGE, *schema.get("required", [])],
    }
    return {"requestBody": {"required": True, "content": {FORM: {"schema": form}}}}
