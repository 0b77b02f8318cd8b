"""What a model generates, as events of the contract, and events as whole answers."""

from collections.abc import AsyncGenerator, Iterable, Iterator

from orfeon.api.chat.v1 import chat_pb2
from services.chat.tools import CallReader
from services.runtime.llama.generation import Chosen, Finished, Generation, LanguageModel, Piece

Event = chat_pb2.Delta | chat_pb2.Finished | chat_pb2.Usage

_REASONS = {
    "stop": chat_pb2.FINISH_REASON_STOP,
    "length": chat_pb2.FINISH_REASON_LENGTH,
}


class Answering:
    """The answers of one request, which may come of several prompts."""

    def __init__(self, model: LanguageModel, level: int, calls: bool | None = None) -> None:
        """`calls` is None where answers hold no calls; else whether these may come after text."""
        self._model = model
        self._level = level
        self._calls = calls
        self._readers: dict[int, CallReader] = {}
        self._untold = 0
        self.usage = chat_pb2.Usage()

    async def events(
        self, generation: Generation, first: int = 0
    ) -> AsyncGenerator[chat_pb2.Delta | chat_pb2.Finished, None]:
        """What is generated after one prompt; its choices are counted from `first`."""
        async with self._model.generate(generation, self._level) as pieces:
            async for piece in pieces:
                for event in self._events(piece):
                    event.choice = first + piece.choice
                    yield event

    def _events(self, piece: Piece | Finished) -> Iterator[chat_pb2.Delta | chat_pb2.Finished]:
        reader = self._reader(piece.choice)
        if isinstance(piece, Piece):
            delta = reader.feed(piece.text) if reader else chat_pb2.Delta(text=piece.text)
            delta.tokens.extend(map(_token, piece.chosen))
            self._untold += piece.tokens
            if delta.text or delta.tool_calls or delta.tokens:
                delta.generated, self._untold = self._untold, 0
                yield delta
            return
        if reader and (rest := reader.finish()).ByteSize():
            yield rest
        self.usage.completion_tokens += piece.completion_tokens
        if piece.choice == 0:
            # All choices have one prompt, which is read once.
            self.usage.prompt_tokens += piece.prompt_tokens
            self.usage.cached_tokens += piece.cached_tokens
        reason = _REASONS[piece.reason]
        if reader and reader.called and piece.reason == "stop":
            reason = chat_pb2.FINISH_REASON_TOOL_CALLS
        yield chat_pb2.Finished(reason=reason)

    def _reader(self, choice: int) -> CallReader | None:
        if self._calls is None:
            return None
        if choice not in self._readers:
            self._readers[choice] = CallReader(anywhere=self._calls)
        return self._readers[choice]


def gathered(events: Iterable[Event], choices: int) -> list[chat_pb2.Choice]:
    """The whole answers, in order."""
    whole = [chat_pb2.Choice() for _ in range(choices)]
    for event in events:
        if isinstance(event, chat_pb2.Usage):
            continue
        answer = whole[event.choice]
        if isinstance(event, chat_pb2.Finished):
            answer.reason = event.reason
            continue
        answer.text += event.text
        answer.tokens.extend(event.tokens)
        for call in event.tool_calls:
            if call.id:
                answer.tool_calls.append(chat_pb2.ToolCall(id=call.id, name=call.name))
            answer.tool_calls[call.index].arguments += call.arguments
    return whole


def _token(chosen: Chosen) -> chat_pb2.Token:
    return chat_pb2.Token(
        token=chosen.token,
        logprob=chosen.logprob,
        likeliest=[
            chat_pb2.LikelyToken(token=token, logprob=logprob)
            for token, logprob in chosen.likeliest
        ],
    )
