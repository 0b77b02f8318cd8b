"""Embeddings, as OpenAI writes them."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, ModelName, Priority, ServiceTier
from gateway.schemas.texts import Texts

MAX_INPUTS = 2_048


class EmbeddingRequest(JsonRequest):
    """Texts to embed."""

    model: ModelName | None = None
    input: Annotated[Texts, Field(max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[
        int | None,
        Field(
            ge=1,
            le=2**31 - 1,
            description="Keeps the first numbers alone, brought to length 1 again.",
        ),
    ] = None
    priority: Priority = None
    service_tier: ServiceTier = None


class Embedding(TypedDict):
    """A vector of length 1: its numbers, or their 32-bit floats in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(TypedDict):
    """What the vectors took."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(TypedDict):
    """A vector for each text, in order."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
