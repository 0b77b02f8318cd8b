"""Responses, as OpenAI writes them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from typing_extensions import TypedDict

from gateway.schemas.chat import MAX_IMAGES
from gateway.schemas.fields import JsonRequest, Text
from gateway.schemas.generation import MaxTokens, SamplingRequest, TokenLogprob, refused
from gateway.schemas.images import ImageUrl
from gateway.schemas.tools import MAX_TOOLS, FunctionDefinition, FunctionName, JsonSchema, ToolMode

_KEPT = "Responses are not kept here; send the whole conversation as input."


class InputPart(JsonRequest):
    """One part of what is said: text, or a picture."""

    type: Text
    text: Text | None = None
    refusal: Text | None = None
    image_url: ImageUrl | None = None

    @model_validator(mode="after")
    def _is_known(self) -> "InputPart":
        fields = {"input_text": "text", "output_text": "text", "text": "text",
                  "refusal": "refusal", "input_image": "image_url"}  # fmt: skip
        if self.type not in fields:
            raise ValueError(
                f"Content is input_text or input_image; remove the part of type {self.type[:40]!r}."
            )
        if getattr(self, fields[self.type]) is None:
            raise ValueError(f"A part of type {self.type} needs the field {fields[self.type]}.")
        return self


def _as_parts(content: object) -> object:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else content


Parts = Annotated[
    list[InputPart], BeforeValidator(_as_parts, json_schema_input_type=str | list[InputPart])
]
#: What an item of each type needs.
_NEEDED = {
    "message": ("role", "content"),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
}


class InputItem(JsonRequest):
    """Something said, a call of a function, or what a function gave back."""

    type: Text = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: Parts | None = None
    call_id: Annotated[Text, Field(min_length=1, max_length=256)] | None = None
    name: FunctionName | None = None
    arguments: Text | None = None
    output: Parts | None = None

    @model_validator(mode="after")
    def _is_known(self) -> "InputItem":
        if self.type == "item_reference":
            raise ValueError(_KEPT)
        if self.type not in (*_NEEDED, "reasoning"):
            raise ValueError(
                f"Items of type {self.type[:40]!r} are not supported; send message, function_call "
                "or function_call_output."
            )
        for field in _NEEDED.get(self.type, ()):
            if getattr(self, field) is None:
                raise ValueError(f"An item of type {self.type} needs the field {field}.")
        if self.role != "user" and any(part.image_url for part in self.content or ()):
            raise ValueError("Only the user shows pictures; remove the input_image.")
        return self


def _as_items(value: object) -> object:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


class ResponseTool(FunctionDefinition):
    """A tool. Functions are the one kind there is."""

    type: Literal["function"]


class NamedResponseTool(JsonRequest):
    """The one tool that must be asked for."""

    type: Literal["function"]
    name: FunctionName


class TextFormat(JsonRequest):
    """Shape of the answer. A schema is always kept, `strict` or not."""

    type: Literal["text", "json_object", "json_schema"]
    name: FunctionName | None = None
    json_schema: Annotated[JsonSchema | None, Field(alias="schema")] = None
    description: Text | None = None
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> "TextFormat":
        if self.type == "json_schema" and (self.json_schema is None or self.name is None):
            raise ValueError("A format of type json_schema needs the fields name and schema.")
        return self


class TextConfig(JsonRequest):
    """How the answer is written."""

    format: TextFormat | None = None


class ResponseRequest(SamplingRequest):
    """A conversation to answer, and how. Nothing of it is kept, whatever `store` says."""

    input: Annotated[
        list[InputItem],
        Field(min_length=1, max_length=10_000),
        BeforeValidator(_as_items, json_schema_input_type=str | list[InputItem]),
    ]
    instructions: Text | None = None
    max_output_tokens: MaxTokens | None = None
    tools: Annotated[list[ResponseTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolMode | NamedResponseTool | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    include: list[Text] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    metadata: Annotated[dict[Text, Text], Field(max_length=16)] | None = None
    store: bool | None = None
    previous_response_id: Annotated[Any, AfterValidator(refused(_KEPT))] = None
    conversation: Annotated[Any, AfterValidator(refused(_KEPT))] = None
    prompt: Annotated[
        Any, AfterValidator(refused("There are no stored prompts; send instructions and input."))
    ] = None
    background: Annotated[
        Any,
        AfterValidator(
            refused("Responses are not kept, so none is made in the background.", False)
        ),
    ] = None
    truncation: Annotated[
        Any,
        AfterValidator(refused("Nothing is left out of a conversation; shorten it.", "disabled")),
    ] = None

    @model_validator(mode="after")
    def _shows_a_few(self) -> "ResponseRequest":
        images = sum(bool(part.image_url) for item in self.input for part in item.content or ())
        if images > MAX_IMAGES:
            raise ValueError(f"At most {MAX_IMAGES} pictures; {images} were sent.")
        return self

    @property
    def with_logprobs(self) -> bool:
        """Whether to tell of tokens."""
        asked = "message.output_text.logprobs" in (self.include or ())
        return asked or self.top_logprobs is not None


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
