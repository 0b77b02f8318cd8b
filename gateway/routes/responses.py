"""`/v1/responses`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from gateway.conversations import ROLES, choice_of, json_format, tools_of
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.generation import charged, sampling_of, usage_of
from gateway.guard import Guard
from gateway.openapi import EVENTS, failures
from gateway.responding import Responding
from gateway.retry import Retries
from gateway.schemas.responses import (
    InputItem,
    InputPart,
    ModelResponse,
    NamedResponseTool,
    ResponseRequest,
)
from gateway.streaming import EventStream, event, while_connected
from gateway.upstreams import Upstreams
from orfeon.api.chat.v1 import chat_pb2
from services.runtime.connection import answer, answers
from services.runtime.errors import NotFound

_EXAMPLES: dict[str, Any] = {
    "question": {
        "summary": "A question",
        "value": {
            "model": "smollm2-135m-instruct",
            "instructions": "You answer in one sentence.",
            "input": "Why is the sky blue?",
            "max_output_tokens": 64,
        },
    }
}

Piece = chat_pb2.StreamChatCompletionResponse


def responses_router(gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries) -> APIRouter:
    """The routes of responses."""
    router = APIRouter()
    creating = APIRouter(tags=["chat"], route_class=Guard(gatekeeper, "chat", "json").route_class())
    asking = APIRouter(tags=["chat"], route_class=Guard(gatekeeper, "chat").route_class())

    @creating.post(
        "/v1/responses",
        summary="Answer a conversation, in OpenAI's newer form",
        response_model=ModelResponse,
        responses={200: EVENTS, **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)},
    )
    async def create_response(
        request: Request,
        body: Annotated[ResponseRequest, Body(openapi_examples=_EXAMPLES)],
    ) -> Response:
        """Answers with messages and calls of functions; with `stream`, as server-sent events."""
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        asked = _contract(body)
        if body.stream:
            streamed = chat_pb2.StreamChatCompletionRequest(completion=asked)

            def begin() -> AsyncGenerator[bytes, None]:
                call = upstreams.chat.StreamChatCompletion(
                    streamed, metadata=context.metadata(), timeout=context.timeout()
                )
                return _events(charged(answers(call), gatekeeper, exchange), Responding(body))

            return EventStream(retries.pieces("chat", context, begin))

        async def ask() -> chat_pb2.ChatCompletionResponse:
            call = upstreams.chat.ChatCompletion(
                asked, metadata=context.metadata(), timeout=context.timeout()
            )
            return await answer(call)

        async with while_connected(request.receive):
            answered = await retries.whole("chat", context, ask)
        tokens = usage_of(answered.usage)["total_tokens"]
        return JSONResponse(
            _whole(answered, Responding(body)),
            background=BackgroundTask(gatekeeper.charge, exchange, tokens),
        )

    @asking.get("/v1/responses/{response_id}", include_in_schema=False)
    @asking.delete("/v1/responses/{response_id}", include_in_schema=False)
    async def get_response(response_id: Annotated[str, Path(max_length=256)]) -> Response:
        raise NotFound(
            "Responses are not kept here, whatever `store` says: keep what you are sent."
        )

    router.routes.extend(creating.routes)
    router.routes.extend(asking.routes)
    return router


def _contract(body: ResponseRequest) -> chat_pb2.ChatCompletionRequest:
    options = sampling_of(body)
    if body.max_output_tokens is not None:
        options.max_tokens = body.max_output_tokens
    if body.with_logprobs:
        options.logprobs = body.top_logprobs or 0
    choice, tools = body.tool_choice, body.tools or []
    named = choice.name if isinstance(choice, NamedResponseTool) else ""
    mode = "required" if isinstance(choice, NamedResponseTool) else choice
    wanted = body.text.format if body.text else None
    return chat_pb2.ChatCompletionRequest(
        model=body.model or "",
        messages=_messages(body),
        options=options,
        tools=tools_of(tools),
        tool_choice=choice_of(mode, named, [tool.name for tool in tools]),
        parallel_tool_calls=body.parallel_tool_calls,
        response_format=json_format(wanted.type, wanted.json_schema) if wanted else None,
    )


def _messages(body: ResponseRequest) -> list[chat_pb2.Message]:
    """The conversation; calls of functions belong to the message before them."""
    messages: list[chat_pb2.Message] = []
    if body.instructions:
        part = chat_pb2.ContentPart(text=body.instructions)
        messages.append(chat_pb2.Message(role=chat_pb2.ROLE_SYSTEM, content=[part]))
    for item in body.input:
        if item.type == "function_call":
            if not messages or messages[-1].role != chat_pb2.ROLE_ASSISTANT:
                messages.append(chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT))
            messages[-1].tool_calls.add(
                id=item.call_id or "", name=item.name or "", arguments=item.arguments or ""
            )
        elif item.type != "reasoning":
            messages.append(_message(item))
    return messages


def _message(item: InputItem) -> chat_pb2.Message:
    if item.type == "function_call_output":
        return chat_pb2.Message(
            role=chat_pb2.ROLE_TOOL,
            content=map(_part, item.output or ()),
            tool_call_id=item.call_id or "",
        )
    return chat_pb2.Message(role=ROLES[item.role or "user"], content=map(_part, item.content or ()))


def _part(part: InputPart) -> chat_pb2.ContentPart:
    if part.image_url is not None:
        return chat_pb2.ContentPart(image=part.image_url)
    return chat_pb2.ContentPart(text=part.text or part.refusal or "")


def _whole(answered: chat_pb2.ChatCompletionResponse, responding: Responding) -> ModelResponse:
    choice = answered.choices[0]
    calls = [
        chat_pb2.ToolCallDelta(index=at, id=call.id, name=call.name, arguments=call.arguments)
        for at, call in enumerate(choice.tool_calls)
    ]
    pieces = (
        Piece(delta=chat_pb2.Delta(text=choice.text, tokens=choice.tokens, tool_calls=calls)),
        Piece(finished=chat_pb2.Finished(reason=choice.reason)),
        Piece(usage=answered.usage),
    )
    for piece in pieces:
        piece.model = answered.model
        for _ in responding.add(piece):
            pass
    return responding.response


async def _events(
    pieces: AsyncGenerator[Piece, None], responding: Responding
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        async for piece in pieces:
            for one in responding.add(piece):
                yield event(one, one["type"])
