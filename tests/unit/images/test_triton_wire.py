from dataclasses import asdict, replace
from typing import Any

import pytest

from orfeon.api.images.v1 import images_pb2
from services.images.choices import choices_of
from services.images.engine import ImageRequest
from services.images.requests import MAX_PROMPT, generation
from services.images.triton_wire import request_of_tensors, request_tensors
from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest

SIDE = 1024
MODEL = Manifest(
    name="painter",
    capability="images",
    engine="diffusers",
    tasks=["image-generation"],
    owned_by="us",
    licence="MIT",
    memory_bytes=1,
    options={"styles": {"vivid": "bright"}, "guidance": 7.5, "steps": 4},
    files={},
)


def asked(prompt: str, **options: float | str) -> ImageRequest:
    wish = images_pb2.GenerateRequest(prompt=prompt)
    for name, value in options.items():
        setattr(wish.options, name, value)
    return generation(wish, choices_of(MODEL), SIDE)


def sent(request_: ImageRequest) -> dict[str, Any]:
    """What comes of a request at the other end, field by field."""
    return asdict(request_of_tensors(request_tensors(request_), MODEL, SIDE))


@pytest.mark.parametrize(
    "request_",
    [
        asked("a cat", seed=0, guidance=0, count=3, width=64, height=128),
        asked("a cat", seed=2**62, style="vivid", negative_prompt="rain", partial_images=2),
        asked("x" * (MAX_PROMPT - len(", bright")), style="vivid"),
    ],
    ids=["zeros", "all", "long"],
)
def test_a_request_is_the_same_at_the_other_end(request_: ImageRequest) -> None:
    assert sent(request_) == asdict(request_)


def test_priority_and_timeout_travel_beside_it() -> None:
    request_ = asked("a cat")
    urgent = replace(request_, priority=0, timeout=5.0)
    assert sent(urgent) == asdict(request_)


def test_what_a_style_makes_too_long_is_refused_here_as_there() -> None:
    with pytest.raises(InvalidRequest, match="send at most"):
        asked("x" * MAX_PROMPT, style="vivid")
