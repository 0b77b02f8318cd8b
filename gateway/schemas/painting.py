"""Images made from words and from pictures: as OpenAI asks and answers, and what we add.

Pictures inside conversations are in `images.py`.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, ModelName, Priority, ServiceTier, Text

OutputFormat = Literal["png", "jpeg", "webp"]
Prompt = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=32_000,
        description="What is to be seen. Models read fewer words than this; one that is too long "
        "for its model is refused, with how long it may be.",
    ),
]
Strength = Annotated[
    float | None,
    Field(
        gt=0,
        le=1,
        description="How far to go from the picture; left out, the model's choice.",
    ),
]


class PaintingRequest(JsonRequest):
    """How images are made. What is left out is the model's choice."""

    model: ModelName | None = None
    n: Annotated[int | None, Field(ge=1, le=10, description="How many; 1.")] = None
    number_of_images: Annotated[int | None, Field(ge=1, le=10, description="The same as `n`.")] = (
        None
    )
    size: Annotated[
        Text | None,
        Field(
            max_length=20,
            description="`auto` or WIDTHxHEIGHT in pixels, multiples of 8, such as 1024x1024.",
        ),
    ] = None
    quality: Annotated[
        Literal["auto", "low", "medium", "high", "standard", "hd"] | None,
        Field(description="Chooses the steps; `standard` is medium, `hd` is high."),
    ] = None
    steps: Annotated[
        int | None,
        Field(ge=1, le=150, description="Denoising steps; goes before `quality`."),
    ] = None
    number_of_steps: Annotated[
        int | None, Field(ge=1, le=150, description="The same as `steps`.")
    ] = None
    seed: Annotated[
        int | None,
        Field(
            ge=0,
            lt=2**63 - 10,
            description="The same seed and request give the same image; each further one of a "
            "request has the next seed.",
        ),
    ] = None
    guidance: Annotated[
        float | None, Field(ge=0, le=30, description="How strictly to keep to the prompt.")
    ] = None
    negative_prompt: Annotated[
        Text, Field(max_length=32_000, description="What is not to be seen, where a model can.")
    ] = ""
    style: Annotated[
        Text | None, Field(max_length=40, description="One that the model knows; else refused.")
    ] = None
    background: Annotated[
        Literal["auto", "opaque", "transparent"] | None,
        Field(description="No model makes transparent images: refused."),
    ] = None
    response_format: Annotated[
        Literal["b64_json", "url"] | None,
        Field(
            description="`b64_json`, the default, keeps nothing; `url` keeps the image until "
            "`expires_at`, for whoever has the address."
        ),
    ] = None
    output_format: OutputFormat | None = None
    output_compression: Annotated[
        int | None,
        Field(ge=0, le=100, description="How faithful jpeg and webp are; 100 is the best."),
    ] = None
    stream: Annotated[
        bool | None, Field(description="As server-sent events, each image once it is made.")
    ] = None
    partial_images: Annotated[
        int | None,
        Field(ge=0, le=3, description="Unfinished states of each image; needs `stream`."),
    ] = None
    progress: Annotated[
        bool | None, Field(description="An event for each step too; needs `stream`.")
    ] = None
    priority: Priority = None
    service_tier: ServiceTier = None


class GenerationRequest(PaintingRequest):
    """Images that a prompt describes."""

    prompt: Prompt


class EditRequest(PaintingRequest):
    """A picture to change, in the form's field `image`, and perhaps a `mask`."""

    prompt: Prompt
    strength: Strength = None


class VariationRequest(PaintingRequest):
    """Images like the picture in the form's field `image`."""

    strength: Strength = None


class ImageData(TypedDict):
    """One image: its bytes in base64, or where it is until `expires_at`, Unix seconds."""

    b64_json: NotRequired[str]
    url: NotRequired[str]
    expires_at: NotRequired[int]
    seed: int


class ImagesResponse(TypedDict):
    """Images in the order of their seeds."""

    created: int
    model: str
    background: Literal["opaque"]
    output_format: OutputFormat
    size: str
    steps: int
    data: list[ImageData]


class ImageUsage(TypedDict):
    """OpenAI counts tokens here; a painter is asked no tokens for."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class ImageEvent(TypedDict):
    """`image_generation.partial_image`, `image_generation.completed`, and of edits `image_edit.`;
    `index` counts the images of a request from 0.
    """

    type: str
    b64_json: str
    created_at: int
    size: str
    quality: str
    background: Literal["opaque"]
    output_format: OutputFormat
    index: int
    seed: int
    partial_image_index: NotRequired[int]
    usage: NotRequired[ImageUsage]


class ImageProgress(TypedDict):
    """`image_generation.progress`: so many steps of an image are made."""

    type: str
    index: int
    step: int
    steps: int
