"""Chat completions, as OpenAI writes them."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, ModelName, Priority, ServiceTier, Text


class ContentPart(JsonRequest):
    """One part of what is said. Text is the one kind there is."""

    type: Text
    text: Text | None = None

    @model_validator(mode="after")
    def _is_text(self) -> "ContentPart":
        if self.type != "text":
            raise ValueError(f"This model reads text only; remove the part {self.type[:40]!r}.")
        if self.text is None:
            raise ValueError("A part of type text needs the field text.")
        return self


def _as_parts(content: object) -> object:
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _as_list(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop or []


class ChatMessage(JsonRequest):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[
        list[ContentPart],
        BeforeValidator(_as_parts, json_schema_input_type=str | list[ContentPart] | None),
    ] = Field(default_factory=list)
    name: Text = ""
    tool_calls: list[Any] | None = None

    @model_validator(mode="after")
    def _is_talk(self) -> "ChatMessage":
        if self.role in ("tool", "function") or self.tool_calls:
            raise ValueError("Tools are not supported; remove the messages that hold their calls.")
        if not self.content and self.role != "assistant":
            raise ValueError(f"A message of role {self.role} needs content.")
        return self


class ResponseFormat(JsonRequest):
    """Shape of the answer."""

    type: Literal["text", "json_object", "json_schema"]

    @model_validator(mode="after")
    def _is_supported(self) -> "ResponseFormat":
        if self.type == "json_schema":
            raise ValueError("json_schema is not supported; use json_object.")
        return self


class StreamOptions(JsonRequest):
    """How to stream."""

    include_usage: bool | None = None


def _refused(sentence: str, *harmless: object) -> Callable[[Any], Any]:
    """Refuses every value but those that ask for nothing."""

    def check(value: Any) -> Any:
        if value is None or value in harmless:
            return value
        raise ValueError(sentence)

    return check


_Tools = AfterValidator(_refused("Tools are not supported; leave this field out.", [], "none"))
_Logprobs = AfterValidator(_refused("Log probabilities are not supported.", False, 0))


class ChatCompletionRequest(JsonRequest):
    """A conversation to answer, and how."""

    model: ModelName | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    max_completion_tokens: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    max_tokens: Annotated[
        int | None,
        Field(ge=1, le=2**31 - 1, description="The old name of `max_completion_tokens`."),
    ] = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[
        list[Annotated[Text, Field(min_length=1)]],
        Field(max_length=4),
        BeforeValidator(_as_list, json_schema_input_type=str | list[str] | None),
    ] = Field(default_factory=list)
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    priority: Priority = None
    service_tier: ServiceTier = None
    n: Annotated[
        int | None, AfterValidator(_refused("Only one choice can be asked for: n must be 1.", 1))
    ] = None
    tools: Annotated[Any, _Tools] = None
    tool_choice: Annotated[Any, AfterValidator(_refused(
        "Tools are not supported; leave this field out.", "none", "auto"))] = None  # fmt: skip
    functions: Annotated[Any, _Tools] = None
    logprobs: Annotated[Any, _Logprobs] = None
    top_logprobs: Annotated[Any, _Logprobs] = None
    logit_bias: Annotated[
        Any, AfterValidator(_refused("A bias of tokens is not supported.", {}))
    ] = None
    modalities: Annotated[
        Any, AfterValidator(_refused("The answer can only be text.", [], ["text"]))
    ] = None

    @model_validator(mode="after")
    def _streams_what_it_options(self) -> "ChatCompletionRequest":
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed when stream is true.")
        return self


FinishReason = Literal["stop", "length"]


class AnswerMessage(TypedDict):
    """What the model says."""

    role: Literal["assistant"]
    content: str
    refusal: None


class Choice(TypedDict):
    """One answer. There is always one."""

    index: int
    message: AnswerMessage
    logprobs: None
    finish_reason: FinishReason


class Usage(TypedDict):
    """What the answer took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(TypedDict):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class Delta(TypedDict):
    """What came to the answer."""

    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str]


class ChunkChoice(TypedDict):
    """One answer's next piece."""

    index: int
    delta: Delta
    logprobs: None
    finish_reason: FinishReason | None


class ChatCompletionChunk(TypedDict):
    """A piece of an answer. Only the last one, where asked for, has `usage`, and no choice."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: NotRequired[Usage]
