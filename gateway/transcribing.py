"""Transcripts: calls on the speech service, and what came of them as the public API says it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway import transcripts
from gateway.languages import ENGLISH_NAMES
from gateway.retry import Retries
from gateway.schemas.classification import Heard
from gateway.schemas.transcription import (
    Segment,
    TextFormat,
    Transcription,
    TranscriptTextDelta,
    TranscriptTextDone,
    TranscriptTextSegment,
    UsageDuration,
    VerboseTranscription,
    Word,
)
from gateway.streaming import event
from gateway.uploads import Recording, parts
from gateway.upstreams import Upstreams
from orfeon.api.speech.v1 import speech_pb2
from services.runtime.connection import answers
from services.runtime.context import RequestContext
from services.runtime.errors import Internal

Pieces = AsyncGenerator[speech_pb2.TranscribeResponse, None]
TaskName = Literal["transcribe", "translate"]
#: What makes the verbose answer of a transcript that is complete.
Detailed = Callable[["Transcript"], Awaitable[VerboseTranscription]]

_TASKS: "dict[speech_pb2.Task.ValueType, TaskName]" = {
    speech_pb2.TASK_TRANSCRIBE: "transcribe",
    speech_pb2.TASK_TRANSLATE: "translate",
}


@dataclass
class Transcript:
    """What has come of a transcript so far."""

    task: TaskName
    started: speech_pb2.TranscriptStarted = field(default_factory=speech_pb2.TranscriptStarted)
    segments: list[speech_pb2.Segment] = field(default_factory=list)
    finished: bool = False

    def add(self, piece: speech_pb2.TranscribeResponse) -> None:
        """Takes in the next piece."""
        kind = piece.WhichOneof("event")
        if kind == "started":
            self.started = piece.started
        elif kind == "segment":
            self.segments.append(piece.segment)
        else:
            self.finished = True

    def check(self) -> None:
        """Raises `Internal` where the end is missing."""
        if not self.finished:
            raise Internal("The service ended its answer too soon.")

    @property
    def text(self) -> str:
        """All that was said."""
        return transcripts.plain(self.segments)

    @property
    def usage(self) -> UsageDuration:
        """What it took."""
        return {"type": "duration", "seconds": self.started.duration_seconds}


class SpeechCalls:
    """Calls on the speech service, asked again where it dies. All raise `OrfeonError`."""

    def __init__(self, upstreams: Upstreams, retries: Retries) -> None:
        self._upstreams = upstreams
        self._retries = retries

    async def transcript(
        self, config: speech_pb2.TranscribeConfig, recording: Recording, context: RequestContext
    ) -> Transcript:
        """What is said in a recording."""
        return await self._retries.whole(
            "speech", context, lambda: _whole(config, self._call(config, recording, context))
        )

    def events(
        self,
        config: speech_pb2.TranscribeConfig,
        recording: Recording,
        context: RequestContext,
        listened: Callable[[float], None],
        detailed: "Detailed | None" = None,
    ) -> AsyncGenerator[bytes, None]:
        """The same as events, as it is understood; `listened` is told the recording's seconds.

        With `detailed` segments are told too, and the last event holds all that it returns.
        """
        task = _TASKS[config.task]
        return self._retries.pieces(
            "speech",
            context,
            lambda: _events(task, self._call(config, recording, context), listened, detailed),
        )

    def _call(
        self, config: speech_pb2.TranscribeConfig, recording: Recording, context: RequestContext
    ) -> Pieces:
        return answers(
            self._upstreams.speech.Transcribe(
                parts(speech_pb2.TranscribeRequest, config, recording),
                metadata=context.metadata(),
                timeout=context.timeout(),
            )
        )


def formatted(transcript: Transcript, response_format: TextFormat) -> Response:
    """A transcript in one of the short formats."""
    if response_format == "text":
        return PlainTextResponse(transcript.text + "\n")
    if response_format == "srt":
        return Response(transcripts.srt(transcript.segments), media_type="application/x-subrip")
    if response_format == "vtt":
        return Response(transcripts.vtt(transcript.segments), media_type="text/vtt")
    short: Transcription = {"text": transcript.text, "usage": transcript.usage}
    return JSONResponse(short)


def verbose(
    transcript: Transcript,
    *,
    segments: bool = True,
    words: bool = False,
    emotions: "list[Heard | None] | None" = None,
) -> VerboseTranscription:
    """A transcript with its times, and the emotion in each segment where there are `emotions`."""
    spoken = transcript.started.language
    written = "en" if transcript.task == "translate" else spoken
    answer: VerboseTranscription = {
        "task": transcript.task,
        "language": ENGLISH_NAMES.get(written, written),
        "duration": transcript.started.duration_seconds,
        "text": transcript.text,
        "usage": transcript.usage,
    }
    if segments:
        answer["segments"] = [_segment(segment) for segment in transcript.segments]
        for segment, emotion in zip(answer["segments"], emotions or (), strict=False):
            segment["emotion"] = emotion
    if words:
        answer["words"] = [_word(word) for segment in transcript.segments for word in segment.words]
    return answer


async def _whole(config: speech_pb2.TranscribeConfig, pieces: Pieces) -> Transcript:
    transcript = Transcript(_TASKS[config.task])
    async with aclosing(pieces):
        async for piece in pieces:
            transcript.add(piece)
    transcript.check()
    return transcript


async def _events(
    task: TaskName,
    pieces: Pieces,
    listened: Callable[[float], None],
    detailed: Detailed | None,
) -> AsyncGenerator[bytes, None]:
    transcript = Transcript(task)
    async with aclosing(pieces):
        async for piece in pieces:
            first = not transcript.segments
            transcript.add(piece)
            if piece.WhichOneof("event") == "segment":
                text = piece.segment.text
                delta: TranscriptTextDelta = {
                    "type": "transcript.text.delta",
                    # The deltas, joined, are the text of the last event, which begins with a word.
                    "delta": text.lstrip() if first else text,
                }
                yield event(delta)
                if detailed:
                    yield event(_timed(piece.segment))
    transcript.check()
    listened(transcript.started.duration_seconds)
    done: TranscriptTextDone = {
        "type": "transcript.text.done",
        "text": transcript.text,
        "usage": transcript.usage,
    }
    yield event({**done, **await detailed(transcript)} if detailed else done)


def _timed(segment: speech_pb2.Segment) -> TranscriptTextSegment:
    return {
        "type": "transcript.text.segment",
        "id": segment.id,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
    }


def _segment(segment: speech_pb2.Segment) -> Segment:
    return {
        "id": segment.id,
        "seek": segment.seek,
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _word(word: speech_pb2.Word) -> Word:
    return {"word": word.word.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
