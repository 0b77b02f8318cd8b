"""Language models without weights: they repeat what they were told. For tests and laptops."""

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from services.runtime.errors import ContextLengthExceeded, InvalidRequest
from services.runtime.llama.generation import (
    Chosen,
    Finished,
    FinishReason,
    Generation,
    Image,
    LanguageModel,
    Message,
    Piece,
    Prompt,
    Tool,
)
from services.runtime.llama.text import TextStream
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement

#: Begins every message of a conversation.
TURN = 0
#: Of every token, and what each further alternative has less.
LOGPROB = -0.5

Answer = Callable[[Generation], str]


def said(generation: Generation) -> str:
    """`You said: ...`, of the last message; `{}` where a grammar holds from the beginning."""
    if generation.grammar and not generation.trigger:
        return "{}"
    words: list[str] = []
    for token in generation.prompt.tokens:
        if token == TURN:
            words = []
        else:
            words.append(_word(token))
    return " ".join(["You said:", *words])


class FakeLanguageEngine:
    """Loads at once, whatever the folder. What its models answer can be scripted by `answer`."""

    kinds = frozenset({CPU})

    def __init__(self, answer: Answer = said, *, sees: bool = False) -> None:
        self._answer = answer
        self._sees = sees

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> LanguageModel:
        """A model that needs no files."""
        return FakeLanguageModel(
            manifest.context_length,
            self._answer,
            sees=self._sees,
            adapters=tuple(manifest.options.get("adapters", ())),
        )


class FakeLanguageModel:
    """Answers with one word a token, so that every answer can be foretold.

    A `context_length` of 0 is no bound.
    """

    def __init__(
        self,
        context_length: int,
        answer: Answer = said,
        *,
        sees: bool = False,
        adapters: Sequence[str] = (),
    ) -> None:
        self._answer = answer
        self._adapters = adapters
        self.context_length = context_length
        self.sees = sees

    def conversation(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> Prompt:
        """See `LanguageModel`. Tools take a token each."""
        tokens = [_token(tool.name) for tool in tools]
        images: list[Image] = []
        for message in messages:
            pictures = [part for part in message.content if isinstance(part, Image)]
            images += pictures
            tokens += [
                TURN,
                *map(_token, message.text.split()),
                *map(_token, ["[image]"] * len(pictures)),
            ]
        if images and not self.sees:
            raise InvalidRequest("This model reads text only.", param="messages")
        return Prompt(self._bounded(tokens, "messages"), tuple(images))

    def text(self, text: str) -> Prompt:
        """See `LanguageModel`."""
        return Prompt(self._bounded([_token(word) for word in text.split()], "prompt"))

    @asynccontextmanager
    async def generate(
        self, generation: Generation, level: int
    ) -> AsyncIterator[AsyncIterator[Piece | Finished]]:
        """See `LanguageModel`. The choices come in turns, a word each."""
        if generation.adapter and generation.adapter not in self._adapters:
            raise InvalidRequest("There is no such adapter.", param="adapter")
        if not generation.prompt.tokens:
            raise InvalidRequest("The prompt is empty.", param="prompt")
        wanted = len(generation.prompt.tokens) + (generation.max_tokens or 1)
        if self.context_length and wanted > self.context_length:
            raise ContextLengthExceeded(
                f"This model's context holds {self.context_length} tokens; {wanted} are asked for: "
                f"ask for {wanted - self.context_length} fewer.",
                param="max_tokens",
            )
        yield self._pieces(generation)

    async def embed(self, prompts: Sequence[Prompt], level: int) -> list[list[float]]:
        """See `LanguageModel`. 32 numbers, of a hash of the prompt."""
        return [_vector(prompt) for prompt in prompts]

    def close(self) -> None:
        """Nothing to free."""

    def _bounded(self, tokens: list[int], param: str) -> tuple[int, ...]:
        if self.context_length and len(tokens) >= self.context_length:
            raise ContextLengthExceeded(
                f"This model's context holds {self.context_length} tokens; the {param} take "
                f"{len(tokens)}: shorten them.",
                param=param,
            )
        return tuple(tokens)

    async def _pieces(self, generation: Generation) -> AsyncIterator[Piece | Finished]:
        tokens = re.findall(r"\s*\S+|\s+$", self._answer(generation))
        limit = generation.max_tokens or len(tokens)
        running = {choice: TextStream(generation.stop) for choice in range(generation.choices)}
        for count, token in enumerate(tokens[:limit], 1):
            for choice, text in list(running.items()):
                await asyncio.sleep(0)  # A step of the engine: others may go on.
                last = count == min(limit, len(tokens))
                shown = text.feed(token.encode())
                ended = last or text.stopped
                shown += text.flush() if ended else ""
                if shown:
                    yield Piece(shown, choice, _chosen(token, generation.logprobs))
                if ended:
                    whole = text.stopped or count == len(tokens)
                    reason: FinishReason = "stop" if whole else "length"
                    read = len(generation.prompt.tokens)
                    yield Finished(reason, read, 0, count, choice)
                    del running[choice]
        for choice in running if not tokens else ():
            yield Finished("stop", len(generation.prompt.tokens), 0, 0, choice)


def _chosen(token: str, alternatives: int | None) -> tuple[Chosen, ...]:
    if alternatives is None:
        return ()
    likeliest = [(token.encode(), LOGPROB)]
    likeliest += [(f" other{at}".encode(), LOGPROB * (at + 1)) for at in range(1, alternatives)]
    return (Chosen(token.encode(), LOGPROB, tuple(likeliest[:alternatives])),)


def _token(word: str) -> int:
    """A number that is the word, so that nothing has to remember it."""
    return int.from_bytes(b"\x01" + word.encode())


def _word(token: int) -> str:
    return token.to_bytes((token.bit_length() + 7) // 8)[1:].decode(errors="replace")


def _vector(prompt: Prompt) -> list[float]:
    numbers = [
        byte - 127.5 for byte in hashlib.sha256(" ".join(map(hex, prompt.tokens)).encode()).digest()
    ]
    length = math.hypot(*numbers)
    return [number / length for number in numbers]
