"""A chat engine without weights: it repeats what it was told. For tests and weightless clusters."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from services.chat.engine import ChatModel, ChatRequest, Completed
from services.runtime.errors import ContextLengthExceeded
from services.runtime.llama.text import TextStream
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation


class FakeChatEngine:
    """Loads at once, whatever the folder."""

    kinds = frozenset({CPU})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> ChatModel:
        """A model that needs no files."""
        return FakeChatModel(manifest.context_length)


class FakeChatModel:
    """Answers `You said: ...`, one word a token, so that every answer can be foretold."""

    def __init__(self, context_length: int) -> None:
        self._context_length = context_length

    def generate(self, request: ChatRequest, cancelled: Cancellation) -> Iterator[str | Completed]:
        """See `ChatModel`."""
        prompt = sum(len(message.text.split()) for message in request.messages)
        if self._context_length and prompt >= self._context_length:
            raise ContextLengthExceeded(
                f"This model's context holds {self._context_length} tokens; the messages take "
                f"{prompt}: shorten them.",
                param="messages",
            )
        words = f"You said: {request.messages[-1].text}".split()
        text = TextStream(request.stop)
        count = 0
        for word in islice(words, request.max_tokens):
            if cancelled.is_set:
                return
            count += 1
            if piece := text.feed((word if count == 1 else f" {word}").encode()):
                yield piece
            if text.stopped:
                break
        if rest := text.flush():
            yield rest
        ended = text.stopped or count == len(words)
        yield Completed("stop" if ended else "length", prompt, count)

    def close(self) -> None:
        """Nothing to free."""
