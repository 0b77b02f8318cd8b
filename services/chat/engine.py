"""What a chat engine is: requests, pieces of answers and the protocol between them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from services.runtime.host import LoadedModel
from services.runtime.worker import Cancellation

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. None leaves a choice to the model's own defaults."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to answer. `max_tokens` None means what the context leaves."""

    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    json_object: bool = False


@dataclass(frozen=True, slots=True)
class Completed:
    """The end of an answer, with the tokens read and generated."""

    reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


class ChatModel(LoadedModel, Protocol):
    """A model in memory. Serves one generation at a time."""

    def generate(self, request: ChatRequest, cancelled: Cancellation) -> Iterator[str | Completed]:
        """Yields the answer's text, in whole characters, and `Completed` last.

        Ends early, without `Completed`, once `cancelled`. Raises `ContextLengthExceeded`.
        """
