"""Chat completions, as OpenAI writes them."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, Text
from gateway.schemas.generation import (
    CompletionsRequest,
    FinishReason,
    MaxTokens,
    TokenLogprob,
    Usage,
    refused,
)
from gateway.schemas.images import ImageUrl
from gateway.schemas.tools import (
    MAX_TOOLS,
    AnswerToolCall,
    FunctionTool,
    JsonSchema,
    MessageToolCall,
    NamedToolChoice,
    ToolCallDelta,
    ToolMode,
)

#: Pictures in one conversation.
MAX_IMAGES = 16


class Picture(JsonRequest):
    """A picture, sent with the request. `detail` is ignored: the model has one way of seeing."""

    url: ImageUrl
    detail: Literal["auto", "low", "high"] | None = None


class ContentPart(JsonRequest):
    """One part of what is said: text, or a picture."""

    type: Text
    text: Text | None = None
    refusal: Text | None = None
    image_url: Picture | None = None

    @model_validator(mode="after")
    def _is_known(self) -> "ContentPart":
        if self.type not in ("text", "refusal", "image_url"):
            raise ValueError(
                f"Content is text or image_url; remove the part of type {self.type[:40]!r}."
            )
        if getattr(self, self.type) is None:
            raise ValueError(f"A part of type {self.type} needs the field {self.type}.")
        return self


def as_parts(content: object) -> object:
    """Plain text, as the one part it is."""
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class ChatMessage(JsonRequest):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[
        list[ContentPart],
        BeforeValidator(as_parts, json_schema_input_type=str | list[ContentPart] | None),
    ] = Field(default_factory=list)
    name: Text = ""
    tool_calls: Annotated[list[MessageToolCall], Field(max_length=MAX_TOOLS)] | None = None
    tool_call_id: Annotated[Text, Field(max_length=256)] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "ChatMessage":
        if self.role == "function":
            raise ValueError("The role function is of the past; use tool, with a tool_call_id.")
        if self.role == "tool" and not self.tool_call_id:
            raise ValueError("A message of role tool needs the tool_call_id that it answers.")
        if self.tool_calls and self.role != "assistant":
            raise ValueError("Only the assistant calls tools; remove tool_calls.")
        if not self.content and self.role != "assistant":
            raise ValueError(f"A message of role {self.role} needs content.")
        if self.role != "user" and any(part.type == "image_url" for part in self.content):
            raise ValueError("Only the user shows pictures; remove the image_url.")
        return self


class SchemaFormat(JsonRequest):
    """A JSON schema that the answer will be valid by, `strict` or not."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    json_schema: Annotated[JsonSchema, Field(alias="schema")]
    description: Text | None = None
    strict: bool | None = None


class ResponseFormat(JsonRequest):
    """Shape of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> "ResponseFormat":
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("A response_format of type json_schema needs the field json_schema.")
        return self


class ChatCompletionRequest(CompletionsRequest):
    """A conversation to answer, and how."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    max_completion_tokens: MaxTokens | None = None
    max_tokens: Annotated[
        MaxTokens | None, Field(description="The old name of `max_completion_tokens`.")
    ] = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolMode | NamedToolChoice | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    functions: Annotated[
        Any, AfterValidator(refused("functions is of the past; send tools instead.", []))
    ] = None
    function_call: Annotated[
        Any,
        AfterValidator(refused("function_call is of the past; use tool_choice.", "none", "auto")),
    ] = None
    modalities: Annotated[
        Any, AfterValidator(refused("The answer can only be text.", [], ["text"]))
    ] = None

    @model_validator(mode="after")
    def _shows_a_few(self) -> "ChatCompletionRequest":
        if self.images > MAX_IMAGES:
            raise ValueError(f"At most {MAX_IMAGES} pictures; {self.images} were sent.")
        return self

    @property
    def images(self) -> int:
        """How many pictures there are."""
        return sum(
            part.type == "image_url" for message in self.messages for part in message.content
        )


class Logprobs(TypedDict):
    """The tokens of an answer."""

    content: list[TokenLogprob]
    refusal: None


class AnswerMessage(TypedDict):
    """What the model says. `content` is null where it only calls tools."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: NotRequired[list[AnswerToolCall]]


class Choice(TypedDict):
    """One answer."""

    index: int
    message: AnswerMessage
    logprobs: Logprobs | None
    finish_reason: FinishReason


class ChatCompletion(TypedDict):
    """Whole answers."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage


class Delta(TypedDict):
    """What came to the answer."""

    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str | None]
    tool_calls: NotRequired[list[ToolCallDelta]]


class ChunkChoice(TypedDict):
    """One answer's next piece."""

    index: int
    delta: Delta
    logprobs: Logprobs | None
    finish_reason: FinishReason | None


class ChatCompletionChunk(TypedDict):
    """A piece of an answer. Only the last one, where asked for, has `usage`, and no choice."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: NotRequired[Usage]
