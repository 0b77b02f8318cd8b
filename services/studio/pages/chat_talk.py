"""How the page `chat` gets its answers: as a stream, from the model that was chosen."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import gradio as gr
from openai import AsyncOpenAI

from services.studio.conversations import Conversation, Exchange
from services.studio.studio import Studio
from services.studio.texts import Texts

# A page shows an answer anew so often, in seconds; all of it, so a long one less often.
_EVERY = 0.05
_CHARACTERS_PER_SECOND = 100_000


@dataclass(frozen=True, slots=True)
class Wish:
    """How to answer; `longest` is in tokens."""

    model: str
    instructions: str
    temperature: float
    longest: int


async def answered(
    studio: Studio,
    t: Texts,
    request: gr.Request,
    conversation: Conversation,
    exchange: Exchange,
    wish: Wish,
) -> AsyncGenerator[None, None]:
    """Has the last question of a conversation answered, and yields while the answer grows.

    What goes wrong is told by the note of the exchange.
    """
    job = _write(studio, t, request, conversation, exchange, wish)
    try:
        async for _ in conversation.work.run(job, lambda: _pause(exchange)):
            yield
    finally:
        exchange.done = True


def _pause(exchange: Exchange) -> float:
    return _EVERY + len(exchange.answer) / _CHARACTERS_PER_SECOND


async def _write(
    studio: Studio,
    t: Texts,
    request: gr.Request,
    conversation: Conversation,
    exchange: Exchange,
    wish: Wish,
) -> None:
    try:
        async with studio.gateway.caller(request, t) as caller:
            reason = await _read(caller.openai, conversation, exchange, wish)
        if reason == "length":
            exchange.note = t("chat.cut_short")
        elif reason is None:
            exchange.note = t("chat.broke_off")
    except gr.Error as error:
        exchange.note = t("chat.broke_off") if exchange.answer else error.message
    except asyncio.CancelledError:
        exchange.note = t("chat.stopped")
        raise
    finally:
        exchange.done = True


async def _read(
    client: AsyncOpenAI, conversation: Conversation, exchange: Exchange, wish: Wish
) -> str | None:
    """Reads an answer into its exchange; returns why it ended, None where it just broke off."""
    reason = None
    async with await client.chat.completions.create(
        model=wish.model,
        messages=conversation.messages(wish.instructions),
        temperature=wish.temperature,
        max_tokens=wish.longest,
        stream=True,
    ) as stream:
        async for chunk in stream:
            for choice in chunk.choices:
                exchange.answer += choice.delta.content or ""
                reason = choice.finish_reason or reason
    return reason
