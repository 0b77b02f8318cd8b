"""The list of models: OpenAI's four fields, and under one key what a model can do."""

from typing import Literal

from typing_extensions import TypedDict


class Abilities(TypedDict):
    """What a model is and does. `resident_bytes` is 0 while it is not in memory."""

    capability: str
    tasks: list[str]
    aliases: list[str]
    default: bool
    state: Literal["unloaded", "loading", "loaded", "failed", "unknown"]
    resident_bytes: int
    context_length: int | None
    languages: list[str]
    voices: list[str]
    labels: list[str]
    licence: str


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
