"""Files that are kept, in OpenAI's shape."""

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict


class Expiration(BaseModel):
    """When a file is removed."""

    model_config = ConfigDict(extra="ignore")

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class FileRequest(BaseModel):
    """What is said of a file that is uploaded."""

    model_config = ConfigDict(extra="ignore")

    purpose: Annotated[
        Literal["fine-tune"], Field(description="What it is for; here, to train with.")
    ]
    expires_after: Annotated[
        Expiration | None, Field(description="When it is removed; left out, when it is deleted.")
    ] = None


class StoredFile(TypedDict):
    """One file. Times are in Unix seconds; one that expires says when."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: NotRequired[int]
    filename: str
    purpose: Literal["fine-tune", "fine-tune-results"]
    status: Literal["processed"]


class FileList(TypedDict):
    """Files of the key that asks. The ids of an empty list's ends are empty."""

    object: Literal["list"]
    data: list[StoredFile]
    first_id: str
    last_id: str
    has_more: bool


class DeletedFile(TypedDict):
    """A file that is gone."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]
