"""Conversations as chat completions write them -> conversations of the chat contract."""

import json
from collections.abc import Sequence

from gateway.generation import options_of
from gateway.schemas.chat import ChatCompletionRequest, ChatMessage, ContentPart, ResponseFormat
from gateway.schemas.tools import FunctionDefinition, JsonSchema, NamedToolChoice, ToolMode
from orfeon.api.chat.v1 import chat_pb2
from services.runtime.errors import InvalidRequest

#: Who speaks, in every route's words.
ROLES = {
    "system": chat_pb2.ROLE_SYSTEM,
    "developer": chat_pb2.ROLE_SYSTEM,
    "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT,
    "tool": chat_pb2.ROLE_TOOL,
}
_MODES = {
    "none": chat_pb2.TOOL_CHOICE_MODE_NONE,
    "auto": chat_pb2.TOOL_CHOICE_MODE_AUTO,
    "required": chat_pb2.TOOL_CHOICE_MODE_REQUIRED,
}
_FORMATS = {
    "json_object": chat_pb2.RESPONSE_FORMAT_TYPE_JSON_OBJECT,
    "json_schema": chat_pb2.RESPONSE_FORMAT_TYPE_JSON_SCHEMA,
}


def contract_of(body: ChatCompletionRequest) -> chat_pb2.ChatCompletionRequest:
    """The request for the service.

    Raises `InvalidRequest` for a choice of no tool, and alternatives to tokens not asked for.
    """
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequest("top_logprobs needs logprobs to be true.", param="top_logprobs")
    options = options_of(body)
    if limit := body.max_completion_tokens or body.max_tokens:
        options.max_tokens = limit
    if body.logprobs:
        options.logprobs = body.top_logprobs or 0
    choice = body.tool_choice
    named = choice.function.name if isinstance(choice, NamedToolChoice) else ""
    return chat_pb2.ChatCompletionRequest(
        model=body.model or "",
        messages=map(_message, body.messages),
        options=options,
        tools=tools_of([tool.function for tool in body.tools or ()]),
        tool_choice=choice_of(
            "required" if isinstance(choice, NamedToolChoice) else choice,
            named,
            [tool.function.name for tool in body.tools or ()],
        ),
        parallel_tool_calls=body.parallel_tool_calls,
        response_format=_format(body.response_format),
    )


def _message(message: ChatMessage) -> chat_pb2.Message:
    return chat_pb2.Message(
        role=ROLES[message.role],
        content=map(_part, message.content),
        name=message.name,
        tool_calls=[
            chat_pb2.ToolCall(
                id=call.id, name=call.function.name, arguments=call.function.arguments
            )
            for call in message.tool_calls or ()
        ],
        tool_call_id=message.tool_call_id or "",
    )


def tools_of(functions: Sequence[FunctionDefinition]) -> list[chat_pb2.Tool]:
    """The functions that the model may ask for."""
    return [
        chat_pb2.Tool(
            name=function.name,
            description=function.description or "",
            parameters="" if function.parameters is None else json.dumps(function.parameters),
        )
        for function in functions
    ]


def choice_of(
    mode: ToolMode | None, named: str, offered: Sequence[str]
) -> chat_pb2.ToolChoice | None:
    """Which functions it may or must ask for. Raises `InvalidRequest` where there are none."""
    if mode is None:
        return None
    if (named and named not in offered) or (mode == "required" and not offered):
        raise InvalidRequest(
            "tool_choice asks for a tool that is not in tools.", param="tool_choice"
        )
    return chat_pb2.ToolChoice(mode=_MODES[mode], name=named)


def json_format(kind: str, schema: JsonSchema | None) -> chat_pb2.ResponseFormat | None:
    """The shape of the answer: `text`, `json_object`, or `json_schema` with its schema."""
    if kind == "text":
        return None
    return chat_pb2.ResponseFormat(
        type=_FORMATS[kind], schema="" if schema is None else json.dumps(schema)
    )


def _format(wanted: ResponseFormat | None) -> chat_pb2.ResponseFormat | None:
    if wanted is None:
        return None
    return json_format(wanted.type, wanted.json_schema.json_schema if wanted.json_schema else None)


def _part(part: ContentPart) -> chat_pb2.ContentPart:
    if part.image_url is not None:
        return chat_pb2.ContentPart(image=part.image_url.url)
    return chat_pb2.ContentPart(text=part.text or part.refusal or "")
