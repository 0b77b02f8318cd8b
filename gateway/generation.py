"""Between generated text as OpenAI writes it and as the chat contract does, for every route."""

import uuid
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TypeVar

from gateway.exchange import Exchange
from gateway.gatekeeper import Gatekeeper
from gateway.schemas.generation import (
    CompletionsRequest,
    FinishReason,
    LikelyToken,
    SamplingRequest,
    TokenLogprob,
    Usage,
)
from orfeon import __version__
from orfeon.api.chat.v1 import chat_pb2
from services.runtime.errors import Internal

P = TypeVar("P", chat_pb2.StreamChatCompletionResponse, chat_pb2.StreamCompletionResponse)

#: Changes when answers to one seed may.
FINGERPRINT = f"fp_orfeon_{__version__}"

#: Sampling fields that have one name here and in the contract.
_SAMPLING = (
    "temperature", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty",
    "seed",
)  # fmt: skip
_LEAST_TOP_P = 1e-6

_REASONS: dict[int, FinishReason] = {
    chat_pb2.FINISH_REASON_LENGTH: "length",
    chat_pb2.FINISH_REASON_TOOL_CALLS: "tool_calls",
}


def new_id(prefix: str) -> str:
    """An id that nothing else has, such as `chatcmpl-...`."""
    return f"{prefix}{uuid.uuid4().hex}"


def sampling_of(body: SamplingRequest) -> chat_pb2.GenerationOptions:
    """How tokens are chosen."""
    options = chat_pb2.GenerationOptions(
        adapter=body.adapter or "", **{name: getattr(body, name) for name in _SAMPLING}
    )
    if body.top_p is not None:
        # OpenAI allows 0, which keeps the likeliest token alone, as any tiny mass does.
        options.top_p = max(body.top_p, _LEAST_TOP_P)
    return options


def options_of(body: CompletionsRequest) -> chat_pb2.GenerationOptions:
    """How to generate, less how much and what to tell of tokens."""
    options = sampling_of(body)
    options.stop.extend(body.stop)
    options.logit_bias.update(body.logit_bias or {})
    if body.n is not None:
        options.choices = body.n
    return options


def text_input(text: str | list[int]) -> chat_pb2.TextInput:
    """A text for a model, or its tokens."""
    if isinstance(text, str):
        return chat_pb2.TextInput(text=text)
    return chat_pb2.TextInput(tokens=chat_pb2.Tokens(ids=text))


def reason_of(reason: int) -> FinishReason:
    """Why an answer ended."""
    return _REASONS.get(reason, "stop")


def usage_of(usage: chat_pb2.Usage) -> Usage:
    """What an answer took."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


async def charged(
    pieces: AsyncGenerator[P, None], gatekeeper: Gatekeeper, exchange: Exchange
) -> AsyncGenerator[P, None]:
    """The pieces, their tokens charged before the last, the usage. Raises `Internal` without one.

    Who leaves earlier is charged what was generated until then.
    """
    last: P | None = None
    async with gatekeeper.charging(exchange) as bill, aclosing(pieces):
        async for piece in pieces:
            if piece.HasField("usage"):
                last = piece
                bill.tokens = usage_of(piece.usage)["total_tokens"]
            else:
                bill.tokens += piece.delta.generated
                exchange.began_output()
                yield piece
    if last is None:
        raise Internal("The service ended its answer too soon.")
    yield last


def tokens_of(tokens: Iterable[chat_pb2.Token]) -> list[TokenLogprob]:
    """The tokens of an answer, and the likeliest at each place."""
    return [
        {
            **_likely(token),
            "top_logprobs": [_likely(other) for other in token.likeliest],
        }
        for token in tokens
    ]


def _likely(token: chat_pb2.Token | chat_pb2.LikelyToken) -> LikelyToken:
    return {
        "token": token.token.decode("utf-8", "replace"),
        "logprob": token.logprob,
        "bytes": list(token.token),
    }
