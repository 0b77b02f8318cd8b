"""Images: requests -> the contract, and the contract's events -> answers and events."""

import base64
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from gateway.schemas.painting import (
    EditRequest,
    GenerationRequest,
    ImageData,
    ImageEvent,
    ImageProgress,
    ImagesResponse,
    OutputFormat,
    PaintingRequest,
    VariationRequest,
)
from gateway.streaming import event
from orfeon.api.images.v1 import images_pb2
from services.runtime.errors import Internal, InvalidRequest

Events = AsyncGenerator[images_pb2.Event, None]
#: The address of a file that is kept, by its id.
Address = Callable[[str], str]

_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")
_QUALITIES: "dict[str, images_pb2.Quality.ValueType]" = {
    "auto": images_pb2.QUALITY_UNSPECIFIED,
    "low": images_pb2.QUALITY_LOW,
    "medium": images_pb2.QUALITY_MEDIUM,
    "standard": images_pb2.QUALITY_MEDIUM,
    "high": images_pb2.QUALITY_HIGH,
    "hd": images_pb2.QUALITY_HIGH,
}
_FORMATS: "dict[OutputFormat, images_pb2.ImageFormat.ValueType]" = {
    "png": images_pb2.IMAGE_FORMAT_PNG,
    "jpeg": images_pb2.IMAGE_FORMAT_JPEG,
    "webp": images_pb2.IMAGE_FORMAT_WEBP,
}
_NO_USAGE = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


def options_of(body: PaintingRequest) -> images_pb2.Options:
    """How images are to be made, in the contract's words. Raises `InvalidRequest`."""
    _check_stream(body)
    if body.background == "transparent":
        raise InvalidRequest("Images are opaque; leave background out.", param="background")
    width, height = _size(body.size)
    kept = body.response_format == "url"
    return images_pb2.Options(
        model=body.model or "",
        count=_one_of(body, "n", "number_of_images"),
        width=width,
        height=height,
        steps=_one_of(body, "steps", "number_of_steps"),
        quality=_QUALITIES[body.quality or "auto"],
        seed=body.seed,
        guidance=body.guidance,
        negative_prompt=body.negative_prompt,
        style=body.style or "",
        format=_FORMATS[body.output_format or "png"],
        compression=body.output_compression,
        partial_images=body.partial_images or 0,
        delivery=images_pb2.DELIVERY_FILE if kept else images_pb2.DELIVERY_BYTES,
    )


def generation_of(body: GenerationRequest) -> images_pb2.GenerateRequest:
    """Images that a prompt describes."""
    return images_pb2.GenerateRequest(prompt=body.prompt, options=options_of(body))


def edit_of(body: EditRequest, pictures: dict[str, bytes]) -> images_pb2.EditRequest:
    """A picture to change, with its mask if there is one."""
    return images_pb2.EditRequest(
        prompt=body.prompt,
        image=pictures["image"],
        mask=pictures.get("mask", b""),
        strength=body.strength,
        options=options_of(body),
    )


def variation_of(body: VariationRequest, pictures: dict[str, bytes]) -> images_pb2.VaryRequest:
    """Images like a picture."""
    return images_pb2.VaryRequest(
        image=pictures["image"], strength=body.strength, options=options_of(body)
    )


async def whole(events: Events, body: PaintingRequest, address: Address) -> ImagesResponse:
    """The images, once all are there."""
    started = images_pb2.Started()
    data: list[ImageData] = []
    files = _Files()
    async with aclosing(_complete(events)) as pieces:
        async for piece in pieces:
            match piece.WhichOneof("event"):
                case "started":
                    started = piece.started
                case "image":
                    if (file := files.add(piece.image)) is not None:
                        data.append({"b64_json": _base64(file), "seed": piece.image.seed})
                case "stored":
                    kept = piece.stored
                    data.append(
                        {
                            "url": address(kept.file_id),
                            "expires_at": kept.expires_at,
                            "seed": kept.seed,
                        }
                    )
    return {
        "created": int(time.time()),
        "model": started.model,
        "background": "opaque",
        "output_format": body.output_format or "png",
        "size": _shape(started),
        "steps": started.steps,
        "data": data,
    }


async def streamed(events: Events, body: PaintingRequest, kind: str) -> AsyncGenerator[bytes, None]:
    """The events about images, as they are made; `kind` is the first word of their types."""
    started = images_pb2.Started()
    files, partials = _Files(), _Files()
    async with aclosing(_complete(events)) as pieces:
        async for piece in pieces:
            match piece.WhichOneof("event"):
                case "started":
                    started = piece.started
                case "progress" if body.progress:
                    progress: ImageProgress = {
                        "type": f"{kind}.progress",
                        "index": piece.progress.image,
                        "step": piece.progress.step,
                        "steps": piece.progress.steps,
                    }
                    yield event(progress)
                case "partial_image":
                    if (file := partials.add(piece.partial_image)) is not None:
                        told = _event(
                            f"{kind}.partial_image", file, piece.partial_image, started, body
                        )
                        told["partial_image_index"] = piece.partial_image.partial
                        yield event(told, told["type"])
                case "image":
                    if (file := files.add(piece.image)) is not None:
                        told = _event(f"{kind}.completed", file, piece.image, started, body)
                        yield event({**told, "usage": _NO_USAGE}, told["type"])


class _Files:
    """Files that come in parts, one after the other."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, part: images_pb2.Image) -> bytes | None:
        """The file, once its last part has come."""
        self._data += part.data
        if not part.last:
            return None
        data, self._data = bytes(self._data), bytearray()
        return data


def _event(
    name: str,
    file: bytes,
    image: images_pb2.Image,
    started: images_pb2.Started,
    body: PaintingRequest,
) -> ImageEvent:
    return {
        "type": name,
        "b64_json": _base64(file),
        "created_at": int(time.time()),
        "size": _shape(started),
        "quality": body.quality or "auto",
        "background": "opaque",
        "output_format": body.output_format or "png",
        "index": image.index,
        "seed": image.seed,
    }


async def _complete(events: Events) -> Events:
    """The events; raises `Internal` where they end too soon."""
    finished = False
    async with aclosing(events):
        async for piece in events:
            finished = piece.HasField("finished")
            yield piece
    if not finished:
        raise Internal("The images ended too soon; ask again.")


def _check_stream(body: PaintingRequest) -> None:
    if body.stream:
        if body.response_format == "url":
            raise InvalidRequest(
                "A stream holds the images themselves; leave response_format out, or stream.",
                param="response_format",
            )
        return
    for name in ("partial_images", "progress"):
        if getattr(body, name):
            raise InvalidRequest(f"{name} needs stream.", param=name)


def _one_of(body: PaintingRequest, name: str, other: str) -> int:
    """A number that has two names; 0 where it has none. Raises `InvalidRequest` for two numbers."""
    values = {value for value in (getattr(body, name), getattr(body, other)) if value is not None}
    if len(values) > 1:
        raise InvalidRequest(
            f"{name} and {other} are the same and say different things; give one.", param=other
        )
    return max(values, default=0)


def _size(size: str | None) -> tuple[int, int]:
    if size in (None, "", "auto"):
        return 0, 0
    found = _SIZE.fullmatch(size)
    # What is written as zeros would mean nothing asked for.
    if found is None or not (int(found[1]) and int(found[2])):
        raise InvalidRequest(
            "size must be auto or WIDTHxHEIGHT in pixels, such as 1024x1024.", param="size"
        )
    return int(found[1]), int(found[2])


def _shape(started: images_pb2.Started) -> str:
    return f"{started.width}x{started.height}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
