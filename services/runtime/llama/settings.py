"""What every container with language models can be told."""

from typing import Annotated, Literal

from pydantic import Field

from services.runtime.settings import ServiceSettings


class LanguageSettings(ServiceSettings):
    """Base of the settings of chat and lyrics."""

    slots: Annotated[int, Field(ge=1, le=64)] = 8
    """Answers that are written together. Level 0 may begin as many again, and goes before them."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models may run; auto takes a GPU where there is one and llama.cpp is built for it."""
    context_length: Annotated[int, Field(ge=0)] = 0
    """Context in tokens, at most the model's own; 0 takes the model's."""

    @property
    def urgent_slots(self) -> int:
        """As many as there are slots: the engine lets them pass, step by step."""
        return self.slots
