"""Classifications: the contract's messages -> what the public API says."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from gateway.schemas.classification import (
    Classification,
    ClassificationSegmentEvent,
    FallbackName,
    Heard,
    SpeakerResult,
    TimelineSegment,
    TimeSpan,
)
from gateway.streaming import event
from orfeon.api.emotion.v1 import emotion_pb2
from services.runtime.errors import Internal

Pieces = AsyncGenerator[emotion_pb2.TimelineResponse, None]

FALLBACKS: "dict[FallbackName, emotion_pb2.Fallback.ValueType]" = {
    "auto": emotion_pb2.FALLBACK_UNSPECIFIED,
    "never": emotion_pb2.FALLBACK_NEVER,
    "always": emotion_pb2.FALLBACK_ALWAYS,
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the answer shall hold: so many labels, of such scores, with or without these."""

    top_k: int | None = None
    threshold: float = 0.0
    timeline: bool = False
    speakers: bool = False


EVERYTHING = Wish()


def heard(labels: Iterable[emotion_pb2.LabelScore], wish: Wish = EVERYTHING) -> Heard:
    """Labels, best first, as the API tells them."""
    scores = [(one.label, round(one.score, 6)) for one in labels]
    best, confidence = scores[0] if scores else (None, None)
    told = [(label, score) for label, score in scores if score >= wish.threshold]
    return {
        "label": best,
        "confidence": confidence,
        "labels": [{"label": label, "score": score} for label, score in told[: wish.top_k]],
    }


def classification(answer: emotion_pb2.ClassifyResponse, wish: Wish) -> Classification:
    """What was heard in a recording."""
    best = heard(answer.labels, wish)
    told: Classification = {
        "object": "audio.classification",
        "model": answer.model,
        "duration": round(answer.duration_seconds, 3),
        "label": best["label"],
        "confidence": best["confidence"],
        "labels": best["labels"],
        "speech": bool(answer.labels),
        "speech_duration": round(answer.speech_seconds, 3),
        "fallback_for": answer.fallback_for or None,
    }
    if wish.timeline:
        told["timeline"] = [segment(one, wish) for one in answer.segments]
    if wish.speakers:
        told["speakers"] = [_speaker(one, wish) for one in answer.speakers]
    return told


def segment(one: emotion_pb2.Segment, wish: Wish = EVERYTHING) -> TimelineSegment:
    """A stretch of a recording."""
    return {**span(one), **heard(one.labels, wish), "speaker": one.speaker or None}


def span(one: emotion_pb2.Segment | emotion_pb2.Span) -> TimeSpan:
    """When a stretch begins and ends."""
    return {"start": round(one.start, 3), "end": round(one.end, 3)}


def headers(answers: Iterable[emotion_pb2.ClassifyResponse]) -> dict[str, str]:
    """Where the time of a request went, all its recordings together."""
    timings = [answer.timings for answer in answers]
    return {
        "x-queue-ms": _milliseconds(one.queue_seconds for one in timings),
        "x-decode-ms": _milliseconds(one.decode_seconds for one in timings),
        "x-inference-ms": _milliseconds(one.inference_seconds for one in timings),
    }


async def events(
    pieces: Pieces, wish: Wish, listened: Callable[[float], None]
) -> AsyncGenerator[bytes, None]:
    """The timeline as events, and at its end the whole.

    `listened` is told the recording's seconds.
    """
    finished = False
    async with aclosing(pieces):
        async for piece in pieces:
            if piece.HasField("segment"):
                part: ClassificationSegmentEvent = {
                    "type": "audio.classification.segment",
                    **segment(piece.segment, wish),
                }
                yield event(part)
            else:
                finished = True
                listened(piece.finished.duration_seconds)
                whole = classification(piece.finished, wish)
                yield event({"type": "audio.classification.done", **dict(whole)})
    if not finished:
        raise Internal("The service ended its answer too soon.")


def _speaker(one: emotion_pb2.Speaker, wish: Wish) -> SpeakerResult:
    return {
        "speaker": one.id,
        "duration": round(one.seconds, 3),
        "spans": [span(each) for each in one.spans],
        **heard(one.labels, wish),
    }


def _milliseconds(seconds: Iterable[float]) -> str:
    return str(round(sum(seconds) * 1000))
