"""`/v1/completions`."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Request
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response

from gateway.exchange import exchange_of
from gateway.gatekeeper import Gatekeeper
from gateway.generation import FINGERPRINT, charged, new_id, options_of, text_input, usage_of
from gateway.guard import Guard
from gateway.openapi import EVENTS, failures
from gateway.retry import Retries
from gateway.schemas.completions import (
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    CompletionRequest,
)
from gateway.streaming import EventStream, event, while_connected
from gateway.upstreams import Upstreams
from orfeon.api.chat.v1 import chat_pb2
from services.runtime.connection import answer, answers
from services.runtime.errors import InvalidRequest

_EXAMPLES: dict[str, Any] = {
    "sentence": {
        "summary": "The rest of a sentence",
        "value": {
            "model": "smollm2-135m-instruct",
            "prompt": "The choir sings at",
            "max_tokens": 12,
        },
    }
}
_DEFAULT_TOKENS = 16

Pieces = AsyncGenerator[chat_pb2.StreamCompletionResponse, None]


def completions_router(gatekeeper: Gatekeeper, upstreams: Upstreams, retries: Retries) -> APIRouter:
    """The route of plain completions."""
    guard = Guard(gatekeeper, "chat", "json")
    router = APIRouter(route_class=guard.route_class(), tags=["chat"])

    @router.post(
        "/v1/completions",
        summary="Continue texts",
        response_model=Completion,
        responses={200: EVENTS, **failures(400, 401, 403, 404, 413, 415, 429, 500, 503, 504)},
    )
    async def create_completion(
        request: Request,
        body: Annotated[CompletionRequest, Body(openapi_examples=_EXAMPLES)],
    ) -> Response:
        """Goes on where the texts end, without a conversation around them."""
        exchange = exchange_of(request.scope)
        context = gatekeeper.context(exchange, body.priority, body.service_tier)
        asked = _contract(body)
        answering = Answering(body)
        if body.stream:
            streamed = chat_pb2.StreamCompletionRequest(completion=asked)

            def begin() -> AsyncGenerator[bytes, None]:
                call = upstreams.chat.StreamCompletion(
                    streamed, metadata=context.metadata(), timeout=context.timeout()
                )
                return answering.events(charged(answers(call), gatekeeper, exchange))

            return EventStream(retries.pieces("chat", context, begin))

        async def ask() -> chat_pb2.CompletionResponse:
            call = upstreams.chat.Completion(
                asked, metadata=context.metadata(), timeout=context.timeout()
            )
            return await answer(call)

        async with while_connected(request.receive):
            answered = await retries.whole("chat", context, ask)
        usage = usage_of(answered.usage)
        return JSONResponse(
            {**answering.whole(answered), "usage": usage},
            background=BackgroundTask(gatekeeper.charge, exchange, usage["total_tokens"]),
        )

    return router


def _contract(body: CompletionRequest) -> chat_pb2.CompletionRequest:
    options = options_of(body)
    options.max_tokens = body.max_tokens or _DEFAULT_TOKENS
    if body.logprobs is not None:
        options.logprobs = body.logprobs
    if body.echo and body.logprobs is not None:
        raise InvalidRequest("A prompt has no log-probabilities; leave echo out.", param="echo")
    if body.echo and not all(isinstance(one, str) for one in body.prompt):
        raise InvalidRequest("Only prompts of text can be echoed; leave echo out.", param="echo")
    return chat_pb2.CompletionRequest(
        model=body.model or "", prompts=map(text_input, body.prompt), options=options
    )


class Answering:
    """The answer to one request, whole or in pieces."""

    def __init__(self, body: CompletionRequest) -> None:
        self._id, self._created = new_id("cmpl-"), int(time.time())
        self._with_usage = body.with_usage
        self._with_logprobs = body.logprobs is not None
        self._echoed = [str(one) if body.echo else "" for one in body.prompt]
        self._choices = body.n or 1
        self._lengths: dict[int, int] = {}
        """Characters of each choice that were told of token by token."""

    def whole(self, answered: chat_pb2.CompletionResponse) -> Completion:
        """All of it, less its usage."""
        choices = [
            self._choice(at, self._begin(at) + one.text, one.tokens, one.reason)
            for at, one in enumerate(answered.choices)
        ]
        return self._completion(answered.model, choices)

    async def events(self, pieces: Pieces) -> AsyncGenerator[bytes, None]:
        """Its pieces, as they come."""
        begun: set[int] = set()
        async with aclosing(pieces):
            async for piece in pieces:
                if piece.HasField("usage"):
                    if self._with_usage:
                        usage = usage_of(piece.usage)
                        yield event({**self._completion(piece.model, []), "usage": usage})
                    continue
                at = piece.delta.choice if piece.HasField("delta") else piece.finished.choice
                text = piece.delta.text if at in begun else self._begin(at) + piece.delta.text
                begun.add(at)
                choice = self._choice(at, text, piece.delta.tokens, piece.finished.reason)
                yield event(self._completion(piece.model, [choice]))

    def _begin(self, choice: int) -> str:
        return self._echoed[choice // self._choices]

    def _completion(self, model: str, choices: list[CompletionChoice]) -> Completion:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        }

    def _choice(self, at: int, text: str, tokens: Any, reason: int) -> CompletionChoice:
        reasons: dict[int, Literal["stop", "length"]] = {
            chat_pb2.FINISH_REASON_STOP: "stop",
            chat_pb2.FINISH_REASON_LENGTH: "length",
        }
        return {
            "index": at,
            "text": text,
            "logprobs": self._logprobs(at, tokens) if self._with_logprobs else None,
            "finish_reason": reasons.get(reason),
        }

    def _logprobs(self, at: int, tokens: Any) -> CompletionLogprobs:
        told: CompletionLogprobs = {
            "tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": [],
        }  # fmt: skip
        for token in tokens:
            text = token.token.decode("utf-8", "replace")
            offset = self._lengths.get(at, 0)
            told["tokens"].append(text)
            told["token_logprobs"].append(token.logprob)
            told["top_logprobs"].append(
                {one.token.decode("utf-8", "replace"): one.logprob for one in token.likeliest}
            )
            told["text_offset"].append(offset)
            self._lengths[at] = offset + len(text)
        return told
