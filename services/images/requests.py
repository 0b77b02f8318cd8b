"""Messages of the images contract -> what a painter is asked, checked field by field."""

import secrets
from typing import TypeVar

from PIL import Image

from orfeon.api.images.v1 import images_pb2
from services.images.choices import Choices, Quality
from services.images.engine import ImageRequest
from services.images.originals import fitted, mask_of, opened_original, size_for
from services.images.writing import FileFormat
from services.runtime.errors import InvalidRequest

Number = TypeVar("Number", int, float)

MAX_PROMPT = 32_000
MAX_COUNT, MAX_STEPS, MAX_GUIDANCE, MAX_PREVIEWS = 10, 150, 30.0, 3
MIN_SIDE, MULTIPLE = 64, 8
#: Random seeds are short enough to be read out, and exact in JavaScript.
_SEEDS, _LAST_SEED = 2**32, 2**63 - 1

_QUALITIES: dict[int, Quality | None] = {
    images_pb2.QUALITY_UNSPECIFIED: None,
    images_pb2.QUALITY_LOW: "low",
    images_pb2.QUALITY_MEDIUM: "medium",
    images_pb2.QUALITY_HIGH: "high",
}
_FORMATS: dict[int, FileFormat] = {
    images_pb2.IMAGE_FORMAT_UNSPECIFIED: "png",
    images_pb2.IMAGE_FORMAT_PNG: "png",
    images_pb2.IMAGE_FORMAT_JPEG: "jpeg",
    images_pb2.IMAGE_FORMAT_WEBP: "webp",
}


def format_of(options: images_pb2.Options) -> tuple[FileFormat, int | None]:
    """How to write the files, and how faithfully. Raises `InvalidRequest`."""
    if options.format not in _FORMATS:
        raise InvalidRequest("output_format must be png, jpeg or webp.", param="output_format")
    kind = _FORMATS[options.format]
    if not options.HasField("compression"):
        return kind, None
    _within("output_compression", options.compression, 0, 100)
    if kind == "png" and options.compression != 100:
        raise InvalidRequest(
            "PNG loses nothing, so output_compression is for jpeg and webp; leave it out.",
            param="output_compression",
        )
    return kind, options.compression


def keeps(options: images_pb2.Options) -> bool:
    """Whether images are to be kept as files. Raises `InvalidRequest`."""
    if options.delivery not in images_pb2.Delivery.values():
        raise InvalidRequest("response_format must be b64_json or url.", param="response_format")
    return options.delivery == images_pb2.DELIVERY_FILE


def generation(
    request: images_pb2.GenerateRequest, choices: Choices, max_side: int
) -> ImageRequest:
    """Images that a prompt describes. Raises `InvalidRequest` naming the field at fault."""
    size = _size(request.options, max_side) or (min(choices.size, max_side),) * 2
    return request_with(request.options, choices, _prompt(request.prompt), size)


def edit(request: images_pb2.EditRequest, choices: Choices, max_side: int) -> ImageRequest:
    """A changed image. Blocking. Raises as `generation` does."""
    prompt, strength = _prompt(request.prompt), _strength(request, choices.strength)
    wanted = _size(request.options, max_side)
    picture = opened_original(request.image)
    size = wanted or size_for(picture, min(choices.size, max_side))
    return request_with(
        request.options,
        choices,
        prompt,
        size,
        image=fitted(picture, size),
        mask=mask_of(picture, request.mask, size),
        strength=strength,
    )


def variation(request: images_pb2.VaryRequest, choices: Choices, max_side: int) -> ImageRequest:
    """Images like another. Blocking. Raises as `generation` does."""
    strength = _strength(request, choices.variation_strength)
    wanted = _size(request.options, max_side)
    picture = opened_original(request.image)
    size = wanted or size_for(picture, min(choices.size, max_side))
    image = fitted(picture, size)
    return request_with(request.options, choices, "", size, image=image, strength=strength)


def request_with(
    options: images_pb2.Options,
    choices: Choices,
    prompt: str,
    size: tuple[int, int],
    *,
    image: Image.Image | None = None,
    mask: Image.Image | None = None,
    strength: float = 1.0,
) -> ImageRequest:
    """A request whose size, picture and prompt are known. Raises `InvalidRequest`."""
    guidance = choices.guidance
    if options.HasField("guidance"):
        guidance = _within("guidance", options.guidance, 0, MAX_GUIDANCE)
    negative = _text("negative_prompt", options.negative_prompt)
    if negative and guidance <= 1:
        raise InvalidRequest(
            f"With a guidance of {guidance:g} nothing can be ruled out; leave negative_prompt out, "
            "or ask for a guidance above 1 of a model that is made for it.",
            param="negative_prompt",
        )
    return ImageRequest(
        seeds=_seeds(options),
        width=size[0],
        height=size[1],
        steps=_steps(options, choices),
        guidance=guidance,
        prompt=_text("prompt", _styled(prompt, options.style, choices)),
        negative_prompt=negative,
        image=image,
        mask=mask,
        strength=strength,
        previews=_within("partial_images", options.partial_images, 0, MAX_PREVIEWS),
    )


def _prompt(prompt: str) -> str:
    prompt = _text("prompt", prompt)
    if not prompt:
        raise InvalidRequest("Say in the prompt what is to be seen.", param="prompt")
    return prompt


def _text(name: str, text: str) -> str:
    if len(text) > MAX_PROMPT:
        raise InvalidRequest(
            f"{name} has {len(text):,} characters: send at most {MAX_PROMPT:,}.", param=name
        )
    return text.strip()


def _styled(prompt: str, style: str, choices: Choices) -> str:
    if not style:
        return prompt
    if style not in choices.styles:
        known = ", ".join(sorted(choices.styles))
        raise InvalidRequest(
            f"This model has no style '{style[:40]}'; "
            + (f"use one of {known}." if known else "leave style out."),
            param="style",
        )
    return ", ".join(part for part in (prompt, choices.styles[style]) if part)


def _size(options: images_pb2.Options, max_side: int) -> tuple[int, int] | None:
    """Width and height; None where they are left open."""
    size = options.width, options.height
    if size == (0, 0):
        return None
    if not all(MIN_SIDE <= side <= max_side and side % MULTIPLE == 0 for side in size):
        raise InvalidRequest(
            f"size must be auto or WIDTHxHEIGHT, both multiples of {MULTIPLE} from {MIN_SIDE} to "
            f"{max_side}, such as 512x512.",
            param="size",
        )
    return size


def _steps(options: images_pb2.Options, choices: Choices) -> int:
    if options.quality not in _QUALITIES:
        raise InvalidRequest("quality must be low, medium or high.", param="quality")
    if options.steps:
        return _within("steps", options.steps, 1, MAX_STEPS)
    quality = _QUALITIES[options.quality]
    return choices.steps if quality is None else choices.quality_steps.get(quality, choices.steps)


def _seeds(options: images_pb2.Options) -> tuple[int, ...]:
    count = _within("n", options.count or 1, 1, MAX_COUNT)
    first = secrets.randbelow(_SEEDS)
    if options.HasField("seed"):
        first = _within("seed", options.seed, 0, _LAST_SEED - MAX_COUNT)
    return tuple(range(first, first + count))


def _strength(request: images_pb2.EditRequest | images_pb2.VaryRequest, default: float) -> float:
    if not request.HasField("strength"):
        return default
    if not 0 < request.strength <= 1:
        raise InvalidRequest("strength must be over 0 and at most 1.", param="strength")
    return request.strength


def _within(name: str, value: Number, least: float, most: float) -> Number:
    if not least <= value <= most:
        raise InvalidRequest(f"{name} must be from {least:g} to {most:g}.", param=name)
    return value
