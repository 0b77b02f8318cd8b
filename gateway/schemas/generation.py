"""What every request for generated text may say, and what every answer tells of its tokens."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_validator
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, ModelName, Priority, ServiceTier, Text

Choices = Annotated[int, Field(ge=1, le=8, description="How many answers; at most 8.")]
MaxTokens = Annotated[int, Field(ge=1, le=2**31 - 1)]

T = TypeVar("T")


def refused(sentence: str, *harmless: object) -> Callable[[Any], Any]:
    """Refuses every value but those that ask for nothing."""

    def check(value: Any) -> Any:
        if value is None or value in harmless:
            return value
        raise ValueError(sentence)

    return check


def as_list(value: object) -> object:
    """A text alone, as the list of it."""
    return [value] if isinstance(value, str) else value or []


def _as_biases(value: object) -> object:
    """OpenAI's keys are token ids as texts."""
    if not isinstance(value, dict):
        return value
    if not all(isinstance(key, str) and key.isdecimal() and len(key) < 10 for key in value):
        raise ValueError("The keys of logit_bias are token ids, such as '1734'.")
    return {int(key): bias for key, bias in value.items()}


class SamplingRequest(JsonRequest):
    """How tokens are chosen, for how many, and how urgently."""

    model: ModelName | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    adapter: Annotated[
        Text | None, Field(max_length=256, description="A LoRA adapter of the model.")
    ] = None
    stream: bool | None = None
    priority: Priority = None
    service_tier: ServiceTier = None


class StreamOptions(JsonRequest):
    """How to stream."""

    include_usage: bool | None = None


class CompletionsRequest(SamplingRequest):
    """What chat and plain completions have in common."""

    max_tokens: MaxTokens | None = None
    n: Choices | None = None
    stop: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=1_000)]],
        Field(max_length=4),
        BeforeValidator(as_list, json_schema_input_type=str | list[str] | None),
    ] = Field(default_factory=list)
    logit_bias: Annotated[
        dict[int, Annotated[float, Field(ge=-100, le=100)]] | None,
        Field(max_length=1_024),
        BeforeValidator(_as_biases, json_schema_input_type=dict[str, float] | None),
    ] = None
    stream_options: StreamOptions | None = None

    @model_validator(mode="after")
    def _streams_what_it_options(self) -> "CompletionsRequest":
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed when stream is true.")
        return self

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with what it took."""
        return bool(self.stream_options and self.stream_options.include_usage)


FinishReason = Literal["stop", "length", "tool_calls"]


class PromptTokensDetails(TypedDict):
    """Of the prompt's tokens, those that were not read again."""

    cached_tokens: int


class Usage(TypedDict):
    """What the answer took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class LikelyToken(TypedDict):
    """A token that was likely, with its log-probability."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(LikelyToken):
    """A token of the answer, and the likeliest at its place."""

    top_logprobs: list[LikelyToken]
