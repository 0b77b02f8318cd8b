"""The chat contract, with the models of a host."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import grpc

from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from services.chat.answers import Answering, Event, gathered
from services.chat.requests import (
    MAX_INPUTS,
    MAX_PROMPTS,
    conversation_of,
    cost_of,
    generation_of,
)
from services.runtime import worker
from services.runtime.context import RequestContext, context_of
from services.runtime.errors import InvalidRequest
from services.runtime.host import ModelHost
from services.runtime.llama.generation import LanguageModel, Prompt

#: Of a model, and what it can be asked for.
CHAT, EMBEDDING, VISION = "chat", "embedding", "vision"

Answered = tuple[str, Event]


class ChatServicer(chat_pb2_grpc.ChatServiceServicer):
    """Answers with the models of a host."""

    def __init__(self, host: ModelHost[LanguageModel]) -> None:
        self._host = host

    async def ChatCompletion(
        self,
        request: chat_pb2.ChatCompletionRequest,
        context: grpc.aio.ServicerContext[
            chat_pb2.ChatCompletionRequest, chat_pb2.ChatCompletionResponse
        ],
    ) -> chat_pb2.ChatCompletionResponse:
        """Gives the whole answer."""
        answer = self._answer(request, context_of(context))
        return chat_pb2.ChatCompletionResponse(**await _whole(answer, request.options.choices or 1))

    async def StreamChatCompletion(
        self,
        request: chat_pb2.StreamChatCompletionRequest,
        context: grpc.aio.ServicerContext[
            chat_pb2.StreamChatCompletionRequest, chat_pb2.StreamChatCompletionResponse
        ],
    ) -> AsyncGenerator[chat_pb2.StreamChatCompletionResponse, None]:
        """Streams the answer."""
        async with aclosing(self._answer(request.completion, context_of(context))) as answer:
            async for model, event in answer:
                yield chat_pb2.StreamChatCompletionResponse(model=model, **_named(event))

    async def Completion(
        self,
        request: chat_pb2.CompletionRequest,
        context: grpc.aio.ServicerContext[chat_pb2.CompletionRequest, chat_pb2.CompletionResponse],
    ) -> chat_pb2.CompletionResponse:
        """Gives whole continuations."""
        choices = len(request.prompts) * (request.options.choices or 1)
        answer = self._continue(request, context_of(context))
        return chat_pb2.CompletionResponse(**await _whole(answer, choices))

    async def StreamCompletion(
        self,
        request: chat_pb2.StreamCompletionRequest,
        context: grpc.aio.ServicerContext[
            chat_pb2.StreamCompletionRequest, chat_pb2.StreamCompletionResponse
        ],
    ) -> AsyncGenerator[chat_pb2.StreamCompletionResponse, None]:
        """Streams continuations."""
        async with aclosing(self._continue(request.completion, context_of(context))) as answer:
            async for model, event in answer:
                yield chat_pb2.StreamCompletionResponse(model=model, **_named(event))

    async def Embed(
        self,
        request: chat_pb2.EmbedRequest,
        context: grpc.aio.ServicerContext[chat_pb2.EmbedRequest, chat_pb2.EmbedResponse],
    ) -> chat_pb2.EmbedResponse:
        """Gives a vector for each text."""
        _check_inputs(request.inputs, MAX_INPUTS, "input")
        kept = request.dimensions if request.HasField("dimensions") else None
        cost = cost_of(one.text for one in request.inputs)
        async with self._host.lease(
            context_of(context), request.model, task=EMBEDDING, cost=cost
        ) as leased:
            prompts = await worker.run(lambda _: _prompts(leased.model, request.inputs))
            vectors = await leased.model.embed(prompts, leased.turn.ticket.priority)
            read = sum(len(prompt.tokens) for prompt in prompts)
            leased.spent(read)
            return chat_pb2.EmbedResponse(
                model=leased.manifest.name,
                embeddings=await worker.run(lambda _: _embeddings(vectors, kept)),
                prompt_tokens=read,
            )

    async def _answer(
        self, request: chat_pb2.ChatCompletionRequest, context: RequestContext
    ) -> AsyncGenerator[Answered, None]:
        """Events, each with the name of the model; the last is the usage."""
        if request.tools or request.HasField("response_format"):
            # A large schema takes longer than the loop may stand.
            asked = await asyncio.to_thread(conversation_of, request)
        else:
            asked = conversation_of(request)
        # Whoever shows a picture to nobody in particular is answered by a model that sees.
        task = VISION if asked.pictures and not request.model else CHAT
        async with self._host.lease(context, request.model, task=task, cost=asked.cost) as leased:
            name = leased.manifest.name
            prompt = await worker.run(
                lambda _: leased.model.conversation(asked.messages, asked.tools)
            )
            answering = Answering(leased.model, leased.turn.ticket.priority, asked.calls)
            generation = replace(asked.generation, prompt=prompt)
            async with aclosing(answering.events(generation)) as events:
                async for event in events:
                    yield name, event
            leased.spent(_tokens(answering.usage))
            yield name, answering.usage

    async def _continue(
        self, request: chat_pb2.CompletionRequest, context: RequestContext
    ) -> AsyncGenerator[Answered, None]:
        """Events, each with the name of the model; the last is the usage."""
        _check_inputs(request.prompts, MAX_PROMPTS, "prompt")
        generation = generation_of(request.options)
        cost = cost_of((one.text for one in request.prompts), *[generation] * len(request.prompts))
        async with self._host.lease(context, request.model, task=CHAT, cost=cost) as leased:
            name = leased.manifest.name
            prompts = await worker.run(lambda _: _prompts(leased.model, request.prompts))
            answering = Answering(leased.model, leased.turn.ticket.priority)
            for at, prompt in enumerate(prompts):
                one, first = replace(generation, prompt=prompt), at * generation.choices
                async with aclosing(answering.events(one, first)) as events:
                    async for event in events:
                        yield name, event
            leased.spent(_tokens(answering.usage))
            yield name, answering.usage


def _check_inputs(inputs: Sequence[chat_pb2.TextInput], most: int, param: str) -> None:
    if not 0 < len(inputs) <= most:
        raise InvalidRequest(f"Send 1 to {most:,} texts; {len(inputs):,} were sent.", param=param)
    for at, one in enumerate(inputs):
        if not one.text and not one.tokens.ids:
            raise InvalidRequest("The text is empty.", param=f"{param}[{at}]")
        if any(token < 0 for token in one.tokens.ids):
            raise InvalidRequest("No token is less than 0.", param=f"{param}[{at}]")


def _prompts(model: LanguageModel, inputs: Sequence[chat_pb2.TextInput]) -> list[Prompt]:
    """Blocking. Raises `ContextLengthExceeded`."""
    return [
        Prompt(tuple(one.tokens.ids)) if one.HasField("tokens") else model.text(one.text)
        for one in inputs
    ]


def _embeddings(
    vectors: Sequence[Sequence[float]], dimensions: int | None
) -> list[chat_pb2.Embedding]:
    """Vectors of length 1, all of them or the first numbers of each. Blocking."""
    if dimensions is not None:
        most = len(vectors[0])
        if not 0 < dimensions <= most:
            raise InvalidRequest(
                f"This model's vectors have {most:,} dimensions: ask for 1 to {most:,}.",
                param="dimensions",
            )
        vectors = [_unit(vector[:dimensions]) for vector in vectors]
    return [chat_pb2.Embedding(values=vector) for vector in vectors]


def _unit(vector: Sequence[float]) -> list[float]:
    length = math.hypot(*vector) or 1.0
    return [value / length for value in vector]


async def _whole(answer: AsyncGenerator[Answered, None], choices: int) -> dict[str, Any]:
    """The fields of a whole response."""
    answered = [one async for one in answer]
    model, usage = answered[-1]
    events = (event for _, event in answered)
    return {"model": model, "choices": gathered(events, choices), "usage": usage}


def _named(event: Event) -> dict[str, Any]:
    """The field of a streamed response that the event is."""
    fields = {chat_pb2.Delta: "delta", chat_pb2.Finished: "finished", chat_pb2.Usage: "usage"}
    return {fields[type(event)]: event}


def _tokens(usage: chat_pb2.Usage) -> int:
    return usage.prompt_tokens + usage.completion_tokens
