"""Requests of the contract, as values of the runtime."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orfeon.api.chat.v1 import chat_pb2
from services.chat import tools
from services.runtime.errors import InvalidRequest
from services.runtime.llama.generation import (
    Generation,
    Image,
    Message,
    Prompt,
    Role,
    Sampling,
    Tool,
    ToolCall,
)
from services.runtime.llama.schema import grammar_of

_ROLES: dict[int, Role] = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
    chat_pb2.ROLE_TOOL: "tool",
}
#: Field -> lowest and highest value.
_RANGES = {
    "max_tokens": (1, 2**31 - 1),
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1_000_000),
    "min_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "repeat_penalty": (0.0, 10.0),
    "logprobs": (0, 20),
    "choices": (1, 8),
}
MAX_STOPS, MAX_STOP_LENGTH = 4, 1_000
MAX_BIASES, BIAS = 1_024, 100.0
MAX_LEVELS = 200
#: Characters of a JSON schema: the grammar of a larger one would be too large anyhow.
MAX_SCHEMA = 500_000
MAX_PROMPTS, MAX_INPUTS = 64, 2_048
#: Of a conversation: an empty one takes but two bytes on the wire.
MAX_MESSAGES = MAX_PARTS = 10_000
#: For estimates alone: of English text, and tokens of a picture and of an answer without a limit.
CHARACTERS_PER_TOKEN = 4
TYPICAL_PICTURE = 576
TYPICAL_ANSWER = 256

_SAMPLING = Sampling.__dataclass_fields__.keys()
_NOTHING = Prompt(())
_NO_ARGUMENTS = {"type": "object", "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation to answer; `generation` lacks its prompt.

    `calls` is None where the answer holds none; else whether they may come after text.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    generation: Generation
    calls: bool | None

    @property
    def pictures(self) -> int:
        """How many there are in it."""
        return sum(isinstance(part, Image) for one in self.messages for part in one.content)

    @property
    def cost(self) -> float:
        """Tokens that it will take, as far as can be said before it is read."""
        seen = self.pictures * TYPICAL_PICTURE
        return seen + cost_of([message.text for message in self.messages], self.generation)


def cost_of(texts: Iterable[str], *generations: Generation) -> float:
    """Tokens that texts and what is generated after them will take, roughly."""
    read = sum(map(len, texts)) / CHARACTERS_PER_TOKEN
    written = (one.choices * (one.max_tokens or TYPICAL_ANSWER) for one in generations)
    return read + sum(written)


def conversation_of(request: chat_pb2.ChatCompletionRequest) -> Conversation:
    """The values of a request. Blocking where it has schemas.

    Raises `InvalidRequest` naming the field at fault.
    """
    if not request.messages:
        raise InvalidRequest("Send at least one message.", param="messages")
    if (
        len(request.messages) > MAX_MESSAGES
        or sum(len(one.content) + len(one.tool_calls) for one in request.messages) > MAX_PARTS
    ):
        raise InvalidRequest(
            f"A conversation may have {MAX_MESSAGES:,} messages, and in all of them {MAX_PARTS:,} "
            "parts and calls of tools; leave out the oldest.",
            param="messages",
        )
    offered = _offered(request)
    grammar, trigger, calls = _grammar(request, offered)
    return Conversation(
        messages=tuple(_message(message, at) for at, message in enumerate(request.messages)),
        tools=offered,
        generation=generation_of(request.options, grammar, trigger),
        calls=calls,
    )


def generation_of(
    options: chat_pb2.GenerationOptions, grammar: str = "", trigger: str = ""
) -> Generation:
    """What is asked for, less its prompt. Raises `InvalidRequest` naming the field at fault."""
    _check(options)
    given = {field: getattr(options, field) for field in _RANGES if options.HasField(field)}  # type: ignore[arg-type]
    return Generation(
        prompt=_NOTHING,
        sampling=Sampling(
            **{name: value for name, value in given.items() if name in _SAMPLING},
            seed=options.seed if options.HasField("seed") else None,
            logit_bias=tuple(options.logit_bias.items()),
        ),
        max_tokens=given.get("max_tokens"),
        stop=tuple(options.stop),
        grammar=grammar,
        trigger=trigger,
        logprobs=given.get("logprobs"),
        adapter=options.adapter,
        choices=given.get("choices", 1),
    )


def _check(options: chat_pb2.GenerationOptions) -> None:
    for field, (low, high) in _RANGES.items():
        # `not (a <= x <= b)` rather than `x < a or x > b`: NaN fails every comparison.
        if options.HasField(field) and not (low <= getattr(options, field) <= high):  # type: ignore[arg-type]
            raise InvalidRequest(f"{field} must be between {low} and {high}.", param=field)
    if len(options.stop) > MAX_STOPS or any(
        not 0 < len(string) <= MAX_STOP_LENGTH for string in options.stop
    ):
        raise InvalidRequest(
            f"At most {MAX_STOPS} stop strings, of 1 to {MAX_STOP_LENGTH:,} characters each.",
            param="stop",
        )
    if len(options.logit_bias) > MAX_BIASES or any(
        token < 0 or not -BIAS <= bias <= BIAS for token, bias in options.logit_bias.items()
    ):
        raise InvalidRequest(
            f"logit_bias gives at most {MAX_BIASES:,} tokens a bias of -{BIAS:.0f} to {BIAS:.0f}.",
            param="logit_bias",
        )


def _message(message: chat_pb2.Message, at: int) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        raise InvalidRequest(
            "role must be system, user, assistant or tool.", param=f"messages[{at}].role"
        )
    return Message(
        role=role,
        content=tuple(
            Image(part.image) if part.WhichOneof("part") == "image" else part.text
            for part in message.content
        ),
        name=message.name,
        tool_calls=tuple(
            ToolCall(call.id, call.name, call.arguments) for call in message.tool_calls
        ),
        tool_call_id=message.tool_call_id,
    )


def _offered(request: chat_pb2.ChatCompletionRequest) -> tuple[Tool, ...]:
    """The tools that the model is told of, and may ask for."""
    known = tuple(_tool(tool, at) for at, tool in enumerate(request.tools))
    tools.check(known)
    wanted = request.tool_choice
    if wanted.mode == chat_pb2.TOOL_CHOICE_MODE_NONE:
        return ()
    if wanted.name:
        known = tuple(tool for tool in known if tool.name == wanted.name)
    if not known and (wanted.name or wanted.mode == chat_pb2.TOOL_CHOICE_MODE_REQUIRED):
        raise InvalidRequest("tool_choice names no tool among tools.", param="tool_choice")
    return known


def _tool(tool: chat_pb2.Tool, at: int) -> Tool:
    parameters: Mapping[str, Any] = _NO_ARGUMENTS
    if tool.parameters:
        parameters = _schema(tool.parameters, f"tools[{at}].parameters")
    return Tool(tool.name, tool.description, parameters)


def _grammar(
    request: chat_pb2.ChatCompletionRequest, offered: Sequence[Tool]
) -> tuple[str, str, bool | None]:
    """What the answer must look like, from which mark on, and where calls may come in it."""
    shape = _shape(request.response_format)
    if not offered:
        return (_shaped(shape) if shape is not None else ""), "", None
    parallel = request.parallel_tool_calls or not request.HasField("parallel_tool_calls")
    required = request.tool_choice.mode == chat_pb2.TOOL_CHOICE_MODE_REQUIRED
    if required or shape is not None:
        otherwise = None if required else shape
        return tools.grammar_of(offered, parallel=parallel, otherwise=otherwise), "", False
    return tools.grammar_of(offered, parallel=parallel), tools.MARK, True


def _shape(wanted: chat_pb2.ResponseFormat) -> Mapping[str, Any] | None:
    if wanted.type == chat_pb2.RESPONSE_FORMAT_TYPE_JSON_OBJECT:
        return {"type": "object"}
    if wanted.type == chat_pb2.RESPONSE_FORMAT_TYPE_JSON_SCHEMA:
        return _schema(wanted.schema, "response_format")
    return None


def _shaped(shape: Mapping[str, Any]) -> str:
    try:
        return grammar_of(shape)
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param="response_format") from error


def _schema(text: str, param: str) -> Mapping[str, Any]:
    if len(text) > MAX_SCHEMA:
        raise InvalidRequest(
            f"The JSON schema has {len(text):,} characters, and may have {MAX_SCHEMA:,}.",
            param=param,
        )
    try:
        schema = json.loads(text, parse_constant=_refuse_constant)
        # An escape can stand for half a surrogate pair, which no answer can hold.
        json.dumps(schema, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            "The JSON schema is no JSON, no valid Unicode, or nested too deeply.", param=param
        ) from error
    if not isinstance(schema, dict):
        raise InvalidRequest("The JSON schema must be an object.", param=param)
    if _levels(schema) > MAX_LEVELS:
        # Also where no value is described: a chat template is shown all of it.
        raise InvalidRequest(
            f"The JSON schema is nested too deeply: at most {MAX_LEVELS} levels.", param=param
        )
    return schema


def _levels(value: Any) -> int:
    """How deeply JSON is nested, up to one more than is allowed."""
    levels, waiting = 0, [value]
    while waiting and levels <= MAX_LEVELS:
        levels += 1
        waiting = [
            inner
            for one in waiting
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return levels


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
