"""Asks the real engine, and compares what it says."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.runtime.llama.generation import (
    Chosen,
    Finished,
    Generation,
    LanguageModel,
    Message,
    Sampling,
)
from services.runtime.llama.llama_engine import LlamaEngine
from services.runtime.manifest import Manifest
from tests.placed import on_cpu

CONTEXT = 512
GREEDY = Sampling(temperature=0)
#: What a kernel that works on several rows may round otherwise.
NEAR_TIE = 0.05


@dataclass
class Answer:
    """One choice, whole."""

    text: str
    end: Finished
    chosen: tuple[Chosen, ...]
    first: float
    """Seconds to the first piece."""


@contextmanager
def loaded(smollm: tuple[Manifest, Path], **rest: Any) -> Iterator[LanguageModel]:
    manifest, folder = smollm
    settings = {"context_length": CONTEXT, "places": 8, "threads": 1} | rest
    model = LlamaEngine(device="cpu", **settings).load(manifest, folder, on_cpu(manifest))
    yield model
    model.close()


def asking(model: LanguageModel, text: str, max_tokens: int = 24, **rest: Any) -> Generation:
    prompt = model.conversation([Message("user", (text,))])
    settings: dict[str, Any] = {"sampling": GREEDY, "max_tokens": max_tokens} | rest
    return Generation(prompt, **settings)


async def choices(model: LanguageModel, asked: Generation, level: int = 1) -> list[Answer]:
    began = time.monotonic()
    found = [Answer("", Finished("stop", 0, 0, 0), (), 0.0) for _ in range(asked.choices)]
    async with model.generate(asked, level) as pieces:
        async for piece in pieces:
            answer = found[piece.choice]
            answer.first = answer.first or time.monotonic() - began
            if isinstance(piece, Finished):
                answer.end = piece
            else:
                answer.text += piece.text
                answer.chosen += piece.chosen
    return found


async def answer(model: LanguageModel, asked: Generation, level: int = 1) -> Answer:
    return (await choices(model, asked, level))[0]


async def all_of(
    model: LanguageModel, asked: Sequence[Generation], levels: Sequence[int] = (1,) * 8
) -> list[Answer]:
    return await asyncio.gather(
        *(answer(model, each, level) for each, level in zip(asked, levels, strict=False))
    )


def same(alone: Answer, together: Answer) -> None:
    """Token for token, and as likely to the last bit."""
    assert alone.chosen == together.chosen
    assert (alone.text, alone.end.reason) == (together.text, together.end.reason)
    assert alone.end.prompt_tokens == together.end.prompt_tokens
    assert alone.end.completion_tokens == together.end.completion_tokens
