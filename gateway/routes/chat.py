"""`/v1/chat/completions`."""

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Body, Request
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from gateway.exchange import Exchange, exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.guard import Guard
from gateway.openapi import EVENTS, failures
from gateway.retry import Retries
from gateway.schemas.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    Delta,
    FinishReason,
    Usage,
)
from gateway.streaming import EventStream, event, while_connected
from gateway.upstreams import Upstreams, answer, answers
from orfeon.api.chat.v1 import chat_pb2
from services.runtime.errors import Internal

_ROLES = {
    "system": chat_pb2.ROLE_SYSTEM,
    "developer": chat_pb2.ROLE_SYSTEM,
    "user": chat_pb2.ROLE_USER,
    "assistant": chat_pb2.ROLE_ASSISTANT,
}
_FORMATS = {
    "text": chat_pb2.RESPONSE_FORMAT_TEXT,
    "json_object": chat_pb2.RESPONSE_FORMAT_JSON_OBJECT,
}
#: Sampling fields that have one name here and in the contract.
_SAMPLING = (
    "temperature", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty",
    "seed",
)  # fmt: skip
_LEAST_TOP_P = 1e-6

_EXAMPLES = {
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
}

Pieces = AsyncGenerator[chat_pb2.StreamChatCompletionResponse, None]


def chat_router(gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries) -> APIRouter:
    """The chat routes."""
    guard = Guard(gatekeeper, "chat", "json")
    router = APIRouter(route_class=guard.route_class(), tags=["chat"])

    @router.post(
        "/v1/chat/completions",
        summary="Answer a conversation",
        response_model=ChatCompletion,
        responses={200: EVENTS, **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)},
    )
    async def create_chat_completion(
        request: Request,
        body: Annotated[ChatCompletionRequest, Body(openapi_examples=_EXAMPLES)],
    ) -> Response:
        """Answers with text; with `stream`, as server-sent events that end with `[DONE]`."""
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        asked = _contract(body)
        if body.stream:
            streamed = chat_pb2.StreamChatCompletionRequest(completion=asked)
            with_usage = bool(body.stream_options and body.stream_options.include_usage)

            def begin() -> AsyncGenerator[bytes, None]:
                call = upstreams.chat.StreamChatCompletion(
                    streamed, metadata=context.metadata(), timeout=context.timeout()
                )
                return _chunks(answers(call), with_usage, gatekeeper, exchange)

            return EventStream(retries.pieces("chat", context, begin))

        async def ask() -> ChatCompletion:
            call = upstreams.chat.ChatCompletion(
                asked, metadata=context.metadata(), timeout=context.timeout()
            )
            return _whole(await answer(call))

        async with while_connected(request.receive):
            completion = await retries.whole("chat", context, ask)
        # Charged once the answer is on its way: nobody need wait for the books.
        tokens = completion["usage"]["total_tokens"]
        return JSONResponse(
            completion, background=BackgroundTask(gatekeeper.charge, exchange, tokens)
        )

    return router


def _contract(body: ChatCompletionRequest) -> chat_pb2.ChatCompletionRequest:
    request = chat_pb2.ChatCompletionRequest(
        model=body.model or "",
        messages=[
            chat_pb2.Message(
                role=_ROLES[message.role],
                content=[chat_pb2.ContentPart(text=part.text or "") for part in message.content],
                name=message.name,
            )
            for message in body.messages
        ],
        max_tokens=body.max_completion_tokens or body.max_tokens,
        stop=body.stop,
        **{name: getattr(body, name) for name in _SAMPLING},
    )
    if body.top_p is not None:
        # OpenAI allows 0, which keeps the likeliest token alone, as any tiny mass does.
        request.top_p = max(body.top_p, _LEAST_TOP_P)
    if body.response_format is not None:
        request.response_format = _FORMATS[body.response_format.type]
    return request


def _whole(answered: chat_pb2.ChatCompletionResponse) -> ChatCompletion:
    return {
        "id": _new_id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answered.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answered.text, "refusal": None},
                "logprobs": None,
                "finish_reason": _reason(answered.finished),
            }
        ],
        "usage": _usage(answered.finished),
    }


async def _chunks(
    pieces: Pieces, with_usage: bool, gatekeeper: Gatekeeper, exchange: Exchange
) -> AsyncGenerator[bytes, None]:
    chunk_id, created = _new_id(), int(time.time())

    def chunk(model: str, delta: Delta, reason: FinishReason | None = None) -> ChatCompletionChunk:
        return {
            "id": chunk_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}],
        }

    last: chat_pb2.StreamChatCompletionResponse | None = None
    async with aclosing(pieces):
        async for piece in pieces:
            if last is None:
                yield event(chunk(piece.model, {"role": "assistant", "content": ""}))
            last = piece
            if piece.delta:
                yield event(chunk(piece.model, {"content": piece.delta}))
    if last is None or not last.HasField("finished"):
        raise Internal("The service ended its answer too soon.")
    usage = _usage(last.finished)
    await gatekeeper.charge(exchange, usage["total_tokens"])
    yield event(chunk(last.model, {}, _reason(last.finished)))
    if with_usage:
        yield event({**chunk(last.model, {}), "choices": [], "usage": usage})


def _new_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"


def _reason(finished: chat_pb2.Finished) -> FinishReason:
    return "length" if finished.reason == chat_pb2.FINISH_REASON_LENGTH else "stop"


def _usage(finished: chat_pb2.Finished) -> Usage:
    return {
        "prompt_tokens": finished.prompt_tokens,
        "completion_tokens": finished.completion_tokens,
        "total_tokens": finished.prompt_tokens + finished.completion_tokens,
    }
