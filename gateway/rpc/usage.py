"""What an answer costs in tokens and in seconds of audio, read off its messages as they pass."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from gateway.gatekeeper import Bill
from gateway.generation import usage_of
from orfeon.api.chat.v1 import chat_pb2
from orfeon.api.emotion.v1 import emotion_pb2
from orfeon.api.lyrics.v1 import lyrics_pb2
from orfeon.api.melody.v1 import melody_pb2
from orfeon.api.speech.v1 import speech_pb2


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


def _listened(bill: Bill, answer: Any) -> None:
    bill.listened = answer.duration_seconds


def _transcribed(bill: Bill, piece: Any) -> None:
    bill.listened += piece.started.duration_seconds


def _finished(bill: Bill, piece: Any) -> None:
    bill.listened += piece.finished.duration_seconds


_COSTS: Mapping[type[Message], Callable[[Bill, Any], None]] = {
    chat_pb2.ChatCompletionResponse: _whole,
    chat_pb2.CompletionResponse: _whole,
    chat_pb2.StreamChatCompletionResponse: _piece,
    chat_pb2.StreamCompletionResponse: _piece,
    chat_pb2.EmbedResponse: _vectors,
    lyrics_pb2.WriteLyricsResponse: _lyrics,
    emotion_pb2.ClassifyResponse: _listened,
    emotion_pb2.TimelineResponse: _finished,
    emotion_pb2.DiarizeResponse: _listened,
    emotion_pb2.EmbedResponse: _listened,
    melody_pb2.ComposeResponse: _finished,
    speech_pb2.TranscribeResponse: _transcribed,
}


def note(bill: Bill, response: type[Message], message: bytes) -> None:
    """Puts on the bill what one message of an answer tells of its cost, if it tells any."""
    if (cost := _COSTS.get(response)) is not None:
        cost(bill, response.FromString(message))


#: Streamed answers whose first output somebody waits for, and what of them is output.
_OUTPUTS: Mapping[type[Message], Callable[[Any], bool]] = {
    chat_pb2.StreamChatCompletionResponse: lambda piece: piece.HasField("delta"),
    chat_pb2.StreamCompletionResponse: lambda piece: piece.HasField("delta"),
    lyrics_pb2.WriteLyricsResponse: lambda piece: piece.HasField("line"),
    melody_pb2.ComposeResponse: lambda piece: piece.HasField("audio"),
    speech_pb2.SynthesizeResponse: lambda piece: bool(piece.audio),
}


def is_output(response: type[Message], message: bytes) -> bool:
    """Whether a message of a streamed answer is a token, a line or sound."""
    tells = _OUTPUTS.get(response)
    return tells is not None and tells(response.FromString(message))
