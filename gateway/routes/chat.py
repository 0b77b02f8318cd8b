"""`/v1/chat/completions`, and `/v1/vision`, which is the same with a picture."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from gateway.conversations import contract_of
from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.generation import FINGERPRINT, charged, new_id, reason_of, tokens_of, usage_of
from gateway.guard import Guard
from gateway.openapi import EVENTS, failures
from gateway.retry import Retries
from gateway.schemas.chat import (
    AnswerMessage,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    Choice,
    ChunkChoice,
    Delta,
    Logprobs,
)
from gateway.schemas.tools import ToolCallDelta
from gateway.streaming import EventStream, event, while_connected
from gateway.upstreams import Upstreams
from orfeon.api.chat.v1 import chat_pb2
from services.runtime.connection import answer, answers
from services.runtime.errors import InvalidRequest

_EXAMPLES: dict[str, Any] = {
    "question": {
        "summary": "A question",
        "value": {
            "model": "smollm2-135m-instruct",
            "messages": [
                {"role": "system", "content": "You answer in one sentence."},
                {"role": "user", "content": "Why is the sky blue?"},
            ],
            "max_completion_tokens": 64,
        },
    },
    "stream": {
        "summary": "The same, streamed and urgent",
        "value": {
            "model": "smollm2-135m-instruct",
            "messages": [{"role": "user", "content": "Why is the sky blue?"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "priority": 0,
        },
    },
    "tools": {
        "summary": "A function that the model must ask for",
        "value": {
            "model": "smollm2-135m-instruct",
            "messages": [{"role": "user", "content": "What is the weather in Porto?"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "get_weather",
                        "description": "The weather of a city.",
                        "parameters": {
                            "type": "object",
                            "properties": {"city": {"type": "string", "maxLength": 40}},
                            "required": ["city"],
                        },
                    },
                }
            ],
            "tool_choice": "required",
        },
    },
}
_PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNoAAAA"
    "ggCB2kUIOwAAAABJRU5ErkJggg=="
)
_VISION_EXAMPLES: dict[str, Any] = {
    "picture": {
        "summary": "A picture and a question about it",
        "value": {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": _PICTURE}},
                    ],
                }
            ]
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: EVENTS,
    **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504),
}

Pieces = AsyncGenerator[chat_pb2.StreamChatCompletionResponse, None]


def chat_router(gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries) -> APIRouter:
    """The chat routes."""
    guard = Guard(gatekeeper, "chat", "json")
    router = APIRouter(route_class=guard.route_class(), tags=["chat"])

    async def respond(request: Request, body: ChatCompletionRequest) -> Response:
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        asked = contract_of(body)
        if body.stream:
            streamed = chat_pb2.StreamChatCompletionRequest(completion=asked)

            def begin() -> AsyncGenerator[bytes, None]:
                call = upstreams.chat.StreamChatCompletion(
                    streamed, metadata=context.metadata(), timeout=context.timeout()
                )
                chunks = Chunks(with_logprobs=bool(body.logprobs), with_usage=body.with_usage)
                return chunks.of(charged(answers(call), gatekeeper, exchange))

            return EventStream(retries.pieces("chat", context, begin))

        async def ask() -> ChatCompletion:
            call = upstreams.chat.ChatCompletion(
                asked, metadata=context.metadata(), timeout=context.timeout()
            )
            return _whole(await answer(call), with_logprobs=bool(body.logprobs))

        async with while_connected(request.receive):
            completion = await retries.whole("chat", context, ask)
        # Charged once the answer is on its way: nobody need wait for the books.
        tokens = completion["usage"]["total_tokens"]
        return JSONResponse(
            completion, background=BackgroundTask(gatekeeper.charge, exchange, tokens)
        )

    @router.post(
        "/v1/chat/completions",
        summary="Answer a conversation",
        response_model=ChatCompletion,
        responses=_ANSWERS,
    )
    async def create_chat_completion(
        request: Request,
        body: Annotated[ChatCompletionRequest, Body(openapi_examples=_EXAMPLES)],
    ) -> Response:
        """Answers with text or calls of tools; with `stream`, as server-sent events that end with
        `[DONE]`."""
        return await respond(request, body)

    @router.post(
        "/v1/vision",
        summary="Answer a conversation about pictures",
        response_model=ChatCompletion,
        responses=_ANSWERS,
    )
    async def create_vision(
        request: Request,
        body: Annotated[ChatCompletionRequest, Body(openapi_examples=_VISION_EXAMPLES)],
    ) -> Response:
        """`/v1/chat/completions` under another name, for conversations with a picture in them."""
        if not body.images:
            raise InvalidRequest(
                "Send a picture, as a part of type image_url in a message of the user.",
                param="messages",
            )
        return await respond(request, body)

    return router


def _whole(answered: chat_pb2.ChatCompletionResponse, *, with_logprobs: bool) -> ChatCompletion:
    return {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answered.model,
        "system_fingerprint": FINGERPRINT,
        "choices": [
            _choice(index, choice, with_logprobs) for index, choice in enumerate(answered.choices)
        ],
        "usage": usage_of(answered.usage),
    }


def _choice(index: int, choice: chat_pb2.Choice, with_logprobs: bool) -> Choice:
    message: AnswerMessage = {"role": "assistant", "content": choice.text, "refusal": None}
    if choice.tool_calls:
        message["content"] = choice.text or None
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in choice.tool_calls
        ]
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(choice.tokens) if with_logprobs else None,
        "finish_reason": reason_of(choice.reason),
    }


class Chunks:
    """The events of one streamed answer."""

    def __init__(self, *, with_logprobs: bool, with_usage: bool) -> None:
        self._with_logprobs = with_logprobs
        self._with_usage = with_usage
        self._id, self._created = new_id("chatcmpl-"), int(time.time())
        self._begun: set[int] = set()

    async def of(self, pieces: Pieces) -> AsyncGenerator[bytes, None]:
        """Chunks, as they come."""
        async with aclosing(pieces):
            async for piece in pieces:
                if not piece.HasField("usage"):
                    for choice in self._choices(piece):
                        yield event(self._chunk(piece.model, [choice]))
                elif self._with_usage:
                    usage = usage_of(piece.usage)
                    yield event({**self._chunk(piece.model, []), "usage": usage})

    def _chunk(self, model: str, choices: list[ChunkChoice]) -> ChatCompletionChunk:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        }

    def _choices(self, piece: chat_pb2.StreamChatCompletionResponse) -> list[ChunkChoice]:
        """What the piece says, after the role where it is the first of its choice."""
        index = piece.delta.choice if piece.HasField("delta") else piece.finished.choice
        said: list[ChunkChoice] = []
        if index not in self._begun:
            self._begun.add(index)
            silent = piece.delta.tool_calls and not piece.delta.text
            role: Delta = {"role": "assistant", "content": None if silent else ""}
            said.append(_chunk_choice(index, role))
        if piece.HasField("finished"):
            ended = _chunk_choice(index, {})
            ended["finish_reason"] = reason_of(piece.finished.reason)
            return [*said, ended]
        came = _chunk_choice(index, _delta(piece.delta))
        if self._with_logprobs:
            came["logprobs"] = _logprobs(piece.delta.tokens)
        return [*said, came]


def _chunk_choice(index: int, delta: Delta) -> ChunkChoice:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def _delta(came: chat_pb2.Delta) -> Delta:
    delta: Delta = {}
    if came.text or not came.tool_calls:
        delta["content"] = came.text
    if came.tool_calls:
        delta["tool_calls"] = [_call(call) for call in came.tool_calls]
    return delta


def _call(call: chat_pb2.ToolCallDelta) -> ToolCallDelta:
    if not call.id:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    return {
        "index": call.index,
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _logprobs(tokens: Any) -> Logprobs:
    return {"content": tokens_of(tokens), "refusal": None}
