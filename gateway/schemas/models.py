"""The list of models: OpenAI's four fields, and under one key what a model can do."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest

ModelState = Literal["unloaded", "waiting", "loading", "loaded", "unloading", "failed", "unknown"]


class Abilities(TypedDict):
    """What a model is and does, and where it is in its life.

    `waiting` is for memory that others must give up first. `progress` is 0 to 1 while it is
    loading, else null; `resident_bytes` is 0 and `device` null while it is not in memory;
    `gpu_layers` is -1 when all its layers are on a GPU; `in_use` counts the requests working with
    it. A profile names the model whose weights it shares as its `base`, and is in memory as that
    one, which alone says how much that is. A classifier says what it
    `classifies` by its `labels`. `commercial_use` is null where nobody has said whether licences
    allow it. Times are in Unix seconds: at `expires_at` it leaves memory if nobody asks for it
    before.
    """

    capability: str
    tasks: list[str]
    aliases: list[str]
    base: str | None
    default: bool
    state: ModelState
    progress: float | None
    resident_bytes: int
    device: str | None
    gpu_layers: int
    loaded_at: int | None
    in_use: int
    expires_at: int | None
    pinned: bool
    context_length: int | None
    languages: list[str]
    voices: list[str]
    labels: list[str]
    classifies: str | None
    licence: str
    commercial_use: bool | None
    provenance: str


class Model(TypedDict):
    """One model. `created` is in Unix seconds."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    capabilities: Abilities


class ModelList(TypedDict):
    """Every model of every service."""

    object: Literal["list"]
    data: list[Model]


class LoadRequest(JsonRequest):
    """How to load a model."""

    pinned: Annotated[
        bool | None,
        Field(
            description="Whether it stays in memory from now on, idle or not; left out, that stays "
            "as it is."
        ),
    ] = None
