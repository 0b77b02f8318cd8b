"""Functions that a model may ask for, as chat completions write them."""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from gateway.schemas.fields import JsonRequest, Text

MAX_TOOLS = 128

FunctionName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
JsonSchema = dict[str, Any]


class FunctionDefinition(JsonRequest):
    """A function. `parameters` is a JSON schema; without it the function takes no arguments.

    Arguments are always valid by their schema, `strict` or not.
    """

    name: FunctionName
    description: Text | None = None
    parameters: JsonSchema | None = None
    strict: bool | None = None


class FunctionTool(JsonRequest):
    """A tool. Functions are the one kind there is."""

    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(JsonRequest):
    """A function by its name."""

    name: FunctionName


class NamedToolChoice(JsonRequest):
    """The one tool that must be asked for."""

    type: Literal["function"]
    function: NamedFunction


ToolMode = Literal["none", "auto", "required"]


class CalledFunction(JsonRequest):
    """A function that was asked for, with its arguments as JSON text."""

    name: FunctionName
    arguments: Text


class MessageToolCall(JsonRequest):
    """A call in an earlier answer."""

    id: Annotated[Text, Field(min_length=1, max_length=256)]
    type: Literal["function"] = "function"
    function: CalledFunction


class AnswerFunction(TypedDict):
    """A function that the model asks for."""

    name: str
    arguments: str


class AnswerToolCall(TypedDict):
    """A call that the model asks for."""

    id: str
    type: Literal["function"]
    function: AnswerFunction


class FunctionDelta(TypedDict, total=False):
    """What comes to a function that the model asks for."""

    name: str
    arguments: str


class ToolCallDelta(TypedDict, total=False):
    """What comes to a call; the first of a call has its id, type and name."""

    index: int
    id: str
    type: Literal["function"]
    function: FunctionDelta
