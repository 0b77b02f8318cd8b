"""What the chat container can be told."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class ChatSettings(ServiceSettings):
    """Read from variables named `ORFEON_CHAT_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_CHAT_", frozen=True, extra="ignore")

    slots: Annotated[int, Field(ge=1, le=1)] = 1
    """One: a llama.cpp context serves one generation at a time. More containers serve more."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models may run; auto takes a GPU where there is one and llama.cpp is built for it."""
    context_length: Annotated[int, Field(ge=0)] = 0
    """Context in tokens, at most the model's own; 0 takes the model's. Memory grows with it."""
