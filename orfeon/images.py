"""Images from words and from pictures: what is asked for, and what comes."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import httpx

from orfeon.calls import Call, File, Upload


class ImageWish(TypedDict, total=False):
    """How images are made. What is left out is the model's choice.

    `n` is how many, 1 to 10; `size` such as `1024x1024`; `quality` low, medium or high, which
    chooses the `steps`. The same `seed` and wish give the same image again, and each further image
    has the next seed. `guidance` is how strictly to keep to the prompt. `output_format` is png,
    jpeg or webp, `output_compression` how faithful the last two are, 0 to 100.
    """

    model: str
    n: int
    size: str
    quality: str
    steps: int
    seed: int
    guidance: float
    negative_prompt: str
    style: str
    output_format: str
    output_compression: int
    priority: int


class PictureWish(ImageWish, total=False):
    """The same, and how far to go from a picture: `strength`, over 0 to 1."""

    strength: float


@dataclass(frozen=True, slots=True)
class MadeImage:
    """An image: the bytes of its file, and what gives it again."""

    content: bytes
    seed: int
    model: str
    size: str
    steps: int


def generation(prompt: str, wish: Mapping[str, Any]) -> Call[list[MadeImage]]:
    """Images that a prompt describes."""
    return Call("POST", "images/generations", _made, json={"prompt": prompt, **wish})


def edit(
    image: File, prompt: str, mask: File | None, wish: Mapping[str, Any]
) -> Call[list[MadeImage]]:
    """A picture, changed towards a prompt."""
    uploads = [Upload(image, "image")]
    if mask is not None:
        uploads.append(Upload(mask, "mask"))
    form = {"prompt": prompt, **_form(wish)}
    return Call("POST", "images/edits", _made, form=form, uploads=tuple(uploads))


def variation(image: File, wish: Mapping[str, Any]) -> Call[list[MadeImage]]:
    """Images like a picture."""
    uploads = (Upload(image, "image"),)
    return Call("POST", "images/variations", _made, form=_form(wish), uploads=uploads)


def _form(wish: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in wish.items()
    }


def _made(response: httpx.Response) -> list[MadeImage]:
    body = response.json()
    data: Sequence[Any] = body["data"]
    return [
        MadeImage(
            base64.b64decode(one["b64_json"]),
            int(one["seed"]),
            body["model"],
            body["size"],
            body["steps"],
        )
        for one in data
    ]
