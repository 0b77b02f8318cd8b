"""Kinds of field that several requests have."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _encodable(text: str) -> str:
    # JSON can escape half a surrogate pair; no UTF-8, and so no service, can hold it.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("Text must be valid Unicode; it holds half a surrogate pair.") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]

ModelName = Annotated[
    Text, Field(max_length=256, description="Model id or alias; left out, the default model.")
]
Priority = Annotated[
    Literal[0, 1, 2] | None,
    Field(
        description="0 urgent, 1 normal, 2 background: lower is sooner. A key's floor holds; the "
        "level applied comes back in the header `x-request-priority`, which may also state it."
    ),
]
ServiceTier = Annotated[
    Literal["auto", "default", "flex", "scale", "priority", "fast"] | None,
    Field(
        description="OpenAI's word for urgency, for requests that give no `priority`: `priority` "
        "and `fast` mean 0, `flex` 2, the others 1."
    ),
]


class JsonRequest(BaseModel):
    """A JSON body. Types are taken literally; fields we do not know are ignored, as OpenAI does."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
