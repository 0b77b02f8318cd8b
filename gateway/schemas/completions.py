"""Plain completions, as OpenAI writes them."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from gateway.schemas.generation import CompletionsRequest, MaxTokens, Usage, refused
from gateway.schemas.texts import Texts

MAX_PROMPTS = 64


class CompletionRequest(CompletionsRequest):
    """Texts to continue, and how."""

    prompt: Annotated[Texts, Field(max_length=MAX_PROMPTS)]
    max_tokens: Annotated[
        MaxTokens | None, Field(description="16 unless given, as with OpenAI.")
    ] = None
    echo: Annotated[bool | None, Field(description="Puts the prompt before its continuation.")] = (
        None
    )
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    suffix: Annotated[
        Any, AfterValidator(refused("Text cannot be inserted; leave suffix out.", ""))
    ] = None
    best_of: Annotated[
        Any, AfterValidator(refused("Every choice is answered; leave best_of out, or use n.", 1))
    ] = None


class CompletionLogprobs(TypedDict):
    """The tokens of a continuation, one entry in each list."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionChoice(TypedDict):
    """One continuation, or a piece of it."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"] | None


class Completion(TypedDict):
    """Whole continuations, or pieces. Of pieces only the last, where asked for, has `usage`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: NotRequired[Usage]
