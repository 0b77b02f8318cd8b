"""What an answer costs in tokens, read off its messages as they pass."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from gateway.gatekeeper import Bill
from gateway.generation import usage_of
from orfeon.api.chat.v1 import chat_pb2
from orfeon.api.lyrics.v1 import lyrics_pb2


def _whole(bill: Bill, answer: Any) -> None:
    bill.tokens = usage_of(answer.usage)["total_tokens"]


def _piece(bill: Bill, piece: Any) -> None:
    if piece.HasField("usage"):
        _whole(bill, piece)
    else:
        bill.tokens += piece.delta.generated


def _vectors(bill: Bill, answer: Any) -> None:
    bill.tokens = answer.prompt_tokens


def _lyrics(bill: Bill, piece: Any) -> None:
    if piece.HasField("finished"):
        bill.tokens = piece.finished.prompt_tokens + piece.finished.completion_tokens
    else:
        # Who leaves before the end is charged a token for each word.
        bill.tokens += len(piece.line.text.split())


_COSTS: Mapping[type[Message], Callable[[Bill, Any], None]] = {
    chat_pb2.ChatCompletionResponse: _whole,
    chat_pb2.CompletionResponse: _whole,
    chat_pb2.StreamChatCompletionResponse: _piece,
    chat_pb2.StreamCompletionResponse: _piece,
    chat_pb2.EmbedResponse: _vectors,
    lyrics_pb2.WriteLyricsResponse: _lyrics,
}


def note(bill: Bill, response: type[Message], message: bytes) -> None:
    """Puts on the bill what one message of an answer tells of its cost, if it tells any."""
    if (cost := _COSTS.get(response)) is not None:
        cost(bill, response.FromString(message))
