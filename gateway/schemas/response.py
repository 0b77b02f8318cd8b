"""Responses, as OpenAI writes them: what is answered."""

from typing import Any, Literal

from typing_extensions import TypedDict

from gateway.schemas.generation import TokenLogprob

Status = Literal["in_progress", "completed", "incomplete"]


class OutputText(TypedDict):
    """What is said."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[TokenLogprob]


class OutputMessage(TypedDict):
    """A message of the model."""

    id: str
    type: Literal["message"]
    status: Status
    role: Literal["assistant"]
    content: list[OutputText]


class OutputCall(TypedDict):
    """A function that the model asks for."""

    id: str
    type: Literal["function_call"]
    status: Status
    call_id: str
    name: str
    arguments: str


class CachedTokens(TypedDict):
    """Of the tokens read, those that were not read again."""

    cached_tokens: int
    cache_write_tokens: int


class ReasoningTokens(TypedDict):
    """Of the tokens generated, those that nobody is shown: none."""

    reasoning_tokens: int


class ResponseUsage(TypedDict):
    """What the response took."""

    input_tokens: int
    input_tokens_details: CachedTokens
    output_tokens: int
    output_tokens_details: ReasoningTokens
    total_tokens: int


class IncompleteDetails(TypedDict):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens"]


class ModelResponse(TypedDict):
    """An answer, with what was asked. `store` is always false: nothing is kept."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Status
    background: bool
    error: None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: list[OutputMessage | OutputCall]
    parallel_tool_calls: bool
    previous_response_id: None
    store: bool
    temperature: float | None
    text: dict[str, Any]
    tool_choice: Any
    tools: list[dict[str, Any]]
    top_logprobs: int
    top_p: float | None
    truncation: Literal["disabled"]
    usage: ResponseUsage | None
