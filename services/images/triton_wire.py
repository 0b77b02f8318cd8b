"""Requests and images as tensors and back, for both ends of a Triton server.

What is small travels as JSON: the request as the contract has it, so that the server checks it as
the service does. Pictures are tensors of their own.
"""

import json
from dataclasses import asdict

import numpy as np
from google.protobuf import json_format
from numpy.typing import NDArray
from PIL import Image

from orfeon.api.images.v1 import images_pb2
from services.images.choices import choices_of
from services.images.engine import ImageRequest, Painting, Piece, Preview, Step
from services.images.requests import MAX_PROMPT, MIN_SIDE, MULTIPLE, generation, request_with
from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest
from services.runtime.triton.interface import Interface, Tensor, Tensors

#: `IMAGE` is rows by columns by red, green and blue; `MASK` is 255 where it is to change. Both are
#: left out where there is none. Each answer holds one piece: `PIECE`, and what is seen in it.
INTERFACE = Interface(
    inputs=(
        Tensor("REQUEST", "BYTES", (1,)),
        Tensor("IMAGE", "UINT8", (-1, -1, 3)),
        Tensor("MASK", "UINT8", (-1, -1)),
    ),
    outputs=(Tensor("PIECE", "BYTES", (1,)), Tensor("PICTURE", "UINT8", (-1, -1, 3))),
    decoupled=True,
)

_NOTHING = np.zeros((0, 0, 3), np.uint8)
_STEP, _PREVIEW, _PAINTING = "step", "preview", "painting"


def request_tensors(request: ImageRequest) -> Tensors:
    """A request on its way to the server. Priority and timeout travel beside it."""
    options = images_pb2.Options(
        count=len(request.seeds),
        width=request.width,
        height=request.height,
        steps=request.steps,
        seed=request.seeds[0],
        guidance=request.guidance,
        negative_prompt=request.negative_prompt,
        partial_images=request.previews,
    )
    wish = images_pb2.EditRequest(prompt=request.prompt, strength=request.strength, options=options)
    tensors = {"REQUEST": _text(json_format.MessageToJson(wish))}
    if request.image is not None:
        tensors["IMAGE"] = np.asarray(request.image)
    if request.mask is not None:
        tensors["MASK"] = np.asarray(request.mask)
    return tensors


def request_of_tensors(tensors: Tensors, manifest: Manifest, max_side: int) -> ImageRequest:
    """The request that has come. Raises `InvalidRequest` naming the field at fault."""
    wish = images_pb2.EditRequest()
    try:
        json_format.Parse(tensors["REQUEST"][0], wish)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            "REQUEST must be an EditRequest of orfeon.api.images.v1 as JSON."
        ) from error
    choices = choices_of(manifest)
    if "IMAGE" not in tensors:
        asked = images_pb2.GenerateRequest(prompt=wish.prompt, options=wish.options)
        return generation(asked, choices, max_side)
    image = Image.fromarray(tensors["IMAGE"], "RGB")
    mask = Image.fromarray(tensors["MASK"], "L") if "MASK" in tensors else None
    _check_shape(image, mask, max_side)
    if not 0 < wish.strength <= 1:
        raise InvalidRequest("strength must be over 0 and at most 1.", param="strength")
    if len(wish.prompt) > MAX_PROMPT:
        raise InvalidRequest(f"prompt may have {MAX_PROMPT:,} characters.", param="prompt")
    return request_with(
        wish.options,
        choices,
        wish.prompt,
        image.size,
        image=image,
        mask=mask,
        strength=wish.strength,
    )


def piece_tensors(piece: Piece) -> Tensors:
    """A piece on its way to the service."""
    match piece:
        case Step():
            return {"PIECE": _text(json.dumps({_STEP: asdict(piece)})), "PICTURE": _NOTHING}
        case Preview():
            told = {_PREVIEW: {"image": piece.image, "number": piece.number}}
            return {"PIECE": _text(json.dumps(told)), "PICTURE": np.asarray(piece.picture)}
        case Painting():
            told = {_PAINTING: {"image": piece.image}}
            return {"PIECE": _text(json.dumps(told)), "PICTURE": np.asarray(piece.picture)}


def piece_of_tensors(tensors: Tensors) -> Piece:
    """The piece that has come."""
    ((kind, fields),) = json.loads(tensors["PIECE"][0]).items()
    if kind == _STEP:
        return Step(**fields)
    picture = Image.fromarray(tensors["PICTURE"], "RGB")
    if kind == _PREVIEW:
        return Preview(**fields, picture=picture)
    return Painting(**fields, picture=picture)


def _check_shape(image: Image.Image, mask: Image.Image | None, max_side: int) -> None:
    if not all(MIN_SIDE <= side <= max_side and side % MULTIPLE == 0 for side in image.size):
        raise InvalidRequest(
            f"IMAGE must have sides from {MIN_SIDE} to {max_side} pixels, multiples of {MULTIPLE}.",
            param="image",
        )
    if mask is not None and mask.size != image.size:
        raise InvalidRequest("MASK must have the size of IMAGE.", param="mask")


def _text(text: str) -> NDArray[np.object_]:
    return np.array([text.encode()], dtype=np.object_)
